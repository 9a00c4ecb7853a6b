"""Cross-validation folds, stratified over multiple labels."""

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from puzzlecell.config.datasets import FoldSettings
from puzzlecell.errors import UserError


class FoldError(UserError):
    """The training fields cannot be split as configured; the message lists every reason."""


def split_fields(
    labels: pd.DataFrame,
    count: int,
    seed: int,
    group: str | None = None,
    *,
    together: Mapping[str, Sequence[str]] | None = None,
    known: Mapping[str, int] | None = None,
) -> pd.Series:
    """Assign each field to a fold 1 ... `count`, by MultilabelStratifiedKFold of iterative-stratification.

    The method is that of Sechidis et al. (2011), shuffled with `seed`. labels: index ID, one 0/1 column per class, rows
    in file order. Fields that must stay together are split as units, each with the union of its fields' labels:

    - group: regular expression whose first capture group (or whole match) is the same for fields that must stay
      together, such as those of one well;
    - together: ID -> keys, one of which is the same for fields that must stay together, such as the checksum of their
      images.

    known: key -> fold of a field that is already in a fold; a unit with such a key joins it, and the others are split
    among themselves. Raises FoldError for fewer fields or groups than folds.
    """
    keys = pd.Series(field_groups(labels.index, group, together or {}), index=labels.index)
    joined = _joined(keys, together or {}, known or {})
    by_unit = labels.groupby(keys, sort=False).max()
    by_unit = by_unit[~by_unit.index.isin(list(joined))]
    if len(by_unit) < count and not joined:
        raise FoldError(_too_few(len(by_unit), count, None if group is None else "folds.group"))
    fold_of_unit = pd.Series(_stratified(by_unit.to_numpy(), count, seed), index=by_unit.index)
    return keys.map({**fold_of_unit.to_dict(), **joined}).astype(int)


def _stratified(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Folds of units with these labels (n, C); fewer units than folds get folds of their own."""
    if len(labels) < count:
        return np.arange(1, len(labels) + 1)
    # Imported here because the checks before a run need this module too, and this import takes a second.
    from iterstrat.ml_stratifiers import MultilabelStratifiedKFold

    splitter = MultilabelStratifiedKFold(n_splits=count, shuffle=True, random_state=seed)
    folds = np.zeros(len(labels), np.int64)
    for fold, (_, held_out) in enumerate(splitter.split(np.zeros(len(labels)), labels), start=1):
        folds[held_out] = fold
    return folds


def field_groups(ids: Iterable[str], group: str | None, together: Mapping[str, Sequence[str]]) -> list[str]:
    """Return what each field stays together with: its group, joined with those of all fields that have one of its keys.

    group, together: see `split_fields`. Equal names mean that fields stay together.
    """
    ids = list(ids)
    groups = group_keys(ids, group)
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while parent.get(name, name) != name:
            name = parent[name]
        return name

    first_with: dict[str, str] = {}
    for field_id, name in zip(ids, groups, strict=True):
        for key in together.get(field_id, ()):
            first, own = root(first_with.setdefault(key, name)), root(name)
            if first != own:
                parent[own] = first
    return [root(name) for name in groups] if parent else groups


def _joined(
    units: pd.Series, together: Mapping[str, Sequence[str]], known: Mapping[str, int]
) -> dict[str, int]:
    """Fold of each unit with a key that is in a fold; the first one decides."""
    found: dict[str, int] = {}
    if known:
        for field_id, unit in units.items():
            for key in together.get(field_id, ()):
                if key in known:
                    found.setdefault(unit, known[key])
    return found


def fold_problems(
    train: Mapping[str, Sequence[str]],
    additional: Mapping[str, Sequence[str]],
    settings: FoldSettings,
    together: Mapping[str, Sequence[str]] | None = None,
) -> list[str]:
    """Return every reason why fields cannot be split as configured.

    train, additional: data set -> IDs of its fields; all sets in `train` are split together, those in `additional` on
    their own. together: see `split_fields`. Reasons are fewer fields or groups than folds, and a `folds.group` that is
    found in no ID of `train` or puts all fields of a part into one group.
    """
    judged_parts = (
        {" and ".join(train): [field_id for ids in train.values() for field_id in ids]} if train else {}
    )
    judged_parts |= {name: list(ids) for name, ids in additional.items()}
    group = settings.group
    problems: list[str] = []
    known: set[str] = set()
    for name, ids in judged_parts.items():
        # Additional sets may have IDs of another kind, about which `ungrouped` warns.
        judged = group is not None and ids and (name not in additional or not train)
        if judged and all(_found(str(group), field_id) is None for field_id in ids):
            problems.append(
                f"folds.group: {group} is found in none of the {len(ids)} IDs of {name}, such as {ids[0]}; correct it, "
                "or set it to null to split field by field"
            )
            continue
        groups = set(field_groups(ids, group, together or {}))
        if group is not None and len(groups) == 1 and len(ids) > 1:
            problems.append(
                f"folds.group: {group} puts all {len(ids)} fields of {name} into one group, {groups.pop()!r}: an ID is "
                f"{ids[0]}; its first capture group has to be the same only for fields that belong together"
            )
        elif len(groups) < settings.count and not known & _keys(ids, together):
            setting = "folds.column" if settings.column is not None else None
            setting = setting if group is None else "folds.group"
            problems.append(f"data set {name}: {_too_few(len(groups), settings.count, setting)}")
        known |= _keys(ids, together)
    return problems


def _keys(ids: Iterable[str], together: Mapping[str, Sequence[str]] | None) -> set[str]:
    return {key for field_id in ids for key in (together or {}).get(field_id, ())}


def ungrouped(datasets: Mapping[str, Iterable[str]], group: str | None) -> list[str]:
    """Return one warning per data set (name -> IDs) with IDs in which the regular expression `group` is not found."""
    warnings = []
    for name, ids in datasets.items():
        unmatched = [field_id for field_id in ids if group is not None and _found(group, field_id) is None]
        if unmatched:
            warnings.append(
                f"data set {name}: folds.group is not found in {len(unmatched)} IDs, such as {unmatched[0]}; "
                "each of these fields is split on its own"
            )
    return warnings


def _too_few(found: int, count: int, setting: str | None) -> str:
    """setting: what keeps fields together."""
    what, remedy = ("field", "add fields") if setting is None else ("group", f"change {setting}")
    many = "s" if found != 1 else ""
    return f"{found} {what}{many} cannot be split into {count} folds; lower folds.count or {remedy}"


def assign_folds(
    train: Mapping[str, pd.DataFrame],
    additional: Mapping[str, pd.DataFrame],
    settings: FoldSettings,
    together: Mapping[str, Sequence[str]] | None = None,
) -> pd.DataFrame:
    """Return the folds of all training fields as a table `ID, dataset, fold`.

    train, additional: data set -> labels. The data sets in `train` are split together. Each data set in `additional` is
    split on its own with the same seed, so that adding one leaves all other fields in their folds. together: ID ->
    keys, see `split_fields`; a field of an additional set with a key of an earlier field joins its fold.
    """
    known: dict[str, int] = {}
    tables = []
    for labels, origin in parts(train, additional).values():
        folds = split_fields(
            labels, settings.count, settings.seed, settings.group, together=together, known=known
        )
        tables.append(pd.DataFrame({"ID": labels.index, "dataset": origin, "fold": folds.to_numpy()}))
        for field_id, fold in folds.items():
            for key in (together or {}).get(field_id, ()):
                known.setdefault(key, fold)
    return pd.concat(tables, ignore_index=True)


def parts(
    train: Mapping[str, pd.DataFrame], additional: Mapping[str, pd.DataFrame]
) -> dict[str, tuple[pd.DataFrame, np.ndarray]]:
    """Return what is split on its own: name, such as `train+more` -> labels of its fields and their data sets."""
    found = {}
    if train:
        origin = np.repeat(list(train), [len(table) for table in train.values()])
        found["+".join(train)] = (pd.concat(train.values()), origin)
    return found | {name: (table, np.repeat(name, len(table))) for name, table in additional.items()}


def group_keys(ids: Iterable[str], group: str | None) -> list[str]:
    """Return the group of each ID; an ID in which `group` is not found is a group of its own."""
    return [field_id if (key := _found(group, field_id)) is None else key for field_id in ids]


def _found(group: str | None, field_id: str) -> str | None:
    """First capture group (or whole match) of a regular expression in an ID; None without a match or an expression."""
    match = None if group is None else re.search(group, field_id)
    if match is None:
        return None
    return match.group(1) if match.groups() else match.group(0)
