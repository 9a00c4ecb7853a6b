"""Cross-validation folds, stratified over multiple labels."""

import logging
import os
import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from puzzlecell.config.class_table import read_classes
from puzzlecell.config.datasets import FoldSettings
from puzzlecell.data.labels import read_labels
from puzzlecell.data.tables import write_csv
from puzzlecell.errors import UserError

log = logging.getLogger(__name__)


class FoldError(UserError):
    """The training fields cannot be split as configured; the message lists every reason."""


def split_fields(labels: pd.DataFrame, count: int, seed: int, group: str | None = None) -> pd.Series:
    """Assign each field to a fold 1 ... `count`, by MultilabelStratifiedKFold of iterative-stratification.

    The method is that of Sechidis et al. (2011), shuffled with `seed`. labels: index ID, one 0/1 column per class, rows
    in file order. group: regular expression whose first capture group (or whole match) is the same for fields that must
    stay together, such as those of one well; groups are then split as units, each with the union of its fields' labels.
    Raises FoldError for fewer fields or groups than folds.
    """
    # Imported here because the checks before a run need this module too, and this import takes a second.
    from iterstrat.ml_stratifiers import MultilabelStratifiedKFold

    keys = pd.Series(group_keys(labels.index, group), index=labels.index)
    by_group = labels.groupby(keys, sort=False).max()
    if len(by_group) < count:
        raise FoldError(_too_few(len(by_group), count, group))
    splitter = MultilabelStratifiedKFold(n_splits=count, shuffle=True, random_state=seed)
    fold_of_group = pd.Series(0, index=by_group.index)
    for fold, (_, held_out) in enumerate(
        splitter.split(np.zeros(len(by_group)), by_group.to_numpy()), start=1
    ):
        fold_of_group.iloc[held_out] = fold
    return keys.map(fold_of_group).astype(int)


def write_folds(
    path: str | os.PathLike,
    *,
    train: Mapping[str, str | os.PathLike],
    additional: Mapping[str, str | os.PathLike],
    classes: str | os.PathLike,
    settings: FoldSettings,
) -> None:
    """Write the folds of all training fields (CSV, `ID, dataset, fold`).

    train, additional: data set -> path of its label table; see `assign_folds`. IDs in which `folds.group` is not found
    are reported as a warning. Raises FoldError for every problem that `fold_problems` finds.
    """
    names = read_classes(classes)
    train_labels = {dataset: read_labels(table, names) for dataset, table in train.items()}
    more_labels = {dataset: read_labels(table, names) for dataset, table in additional.items()}
    train_ids, more_ids = _ids(train_labels), _ids(more_labels)
    problems = fold_problems(train_ids, more_ids, settings)
    if problems:
        raise FoldError("\n".join(problems))
    for warning in ungrouped({**train_ids, **more_ids}, settings.group):
        log.warning("%s", warning)
    write_csv(path, assign_folds(train_labels, more_labels, **settings.model_dump()))


def fold_problems(
    train: Mapping[str, Sequence[str]], additional: Mapping[str, Sequence[str]], settings: FoldSettings
) -> list[str]:
    """Return every reason why fields cannot be split as configured.

    train, additional: data set -> IDs of its fields; all sets in `train` are split together, those in `additional` on
    their own. Reasons are fewer fields or groups than folds, and a `folds.group` that is found in no ID of `train`
    or puts all fields of a part into one group.
    """
    parts = {" and ".join(train): [field_id for ids in train.values() for field_id in ids]} if train else {}
    parts |= {name: list(ids) for name, ids in additional.items()}
    group, problems = settings.group, []
    for name, ids in parts.items():
        # Additional sets may have IDs of another kind, about which `ungrouped` warns.
        judged = group is not None and ids and (name not in additional or not train)
        if judged and all(_found(str(group), field_id) is None for field_id in ids):
            problems.append(
                f"folds.group: {group} is found in none of the {len(ids)} IDs of {name}, such as {ids[0]}; correct it, "
                "or set it to null to split field by field"
            )
            continue
        groups = set(group_keys(ids, group))
        if len(groups) == 1 and len(ids) > 1:
            problems.append(
                f"folds.group: {group} puts all {len(ids)} fields of {name} into one group, {groups.pop()!r}: an ID is "
                f"{ids[0]}; its first capture group has to be the same only for fields that belong together"
            )
        elif len(groups) < settings.count:
            problems.append(f"data set {name}: {_too_few(len(groups), settings.count, group)}")
    return problems


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


def _too_few(found: int, count: int, group: str | None) -> str:
    what, remedy = ("field", "add fields") if group is None else ("group", "change folds.group")
    many = "s" if found != 1 else ""
    return f"{found} {what}{many} cannot be split into {count} folds; lower folds.count or {remedy}"


def assign_folds(
    train: Mapping[str, pd.DataFrame],
    additional: Mapping[str, pd.DataFrame],
    count: int,
    seed: int,
    group: str | None = None,
) -> pd.DataFrame:
    """Return the folds of all training fields as a table `ID, dataset, fold`.

    The data sets in `train` are split together. Each data set in `additional` is split on its own with the same seed,
    so that adding one leaves all other fields in their folds.
    """
    parts = []
    if train:
        joined = pd.concat(train.values())
        origin = np.repeat(list(train), [len(table) for table in train.values()])
        parts.append((joined, origin))
    parts += [(table, np.repeat(name, len(table))) for name, table in additional.items()]
    tables = [
        pd.DataFrame(
            {
                "ID": labels.index,
                "dataset": origin,
                "fold": split_fields(labels, count, seed, group).to_numpy(),
            }
        )
        for labels, origin in parts
    ]
    return pd.concat(tables, ignore_index=True)


def _ids(tables: Mapping[str, pd.DataFrame]) -> dict[str, list[str]]:
    return {name: table.index.tolist() for name, table in tables.items()}


def group_keys(ids: Iterable[str], group: str | None) -> list[str]:
    """Group of each ID; an ID in which `group` is not found is a group of its own."""
    return [field_id if (key := _found(group, field_id)) is None else key for field_id in ids]


def _found(group: str | None, field_id: str) -> str | None:
    """First capture group (or whole match) of a regular expression in an ID; None without a match or an expression."""
    match = None if group is None else re.search(group, field_id)
    if match is None:
        return None
    return match.group(1) if match.groups() else match.group(0)
