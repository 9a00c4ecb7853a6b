"""Cross-validation folds, stratified over multiple labels."""

import os
import re
from collections.abc import Mapping

import numpy as np
import pandas as pd
from iterstrat.ml_stratifiers import MultilabelStratifiedKFold

from puzzlecell.config.datasets import FoldSettings
from puzzlecell.data.labels import read_classes, read_labels
from puzzlecell.data.tables import write_csv


def split_fields(labels: pd.DataFrame, count: int, seed: int, group: str | None = None) -> pd.Series:
    """Assign each field to a fold 1 ... `count`, by MultilabelStratifiedKFold of iterative-stratification.

    The method is that of Sechidis et al. (2011), shuffled with `seed`. labels: index ID, one 0/1 column per class, rows
    in file order. group: regular expression whose first capture group (or whole match) is the same for fields that must
    stay together, such as those of one well; groups are then split as units, each with the union of its fields' labels.
    """
    if group is None:
        keys = pd.Series(labels.index, index=labels.index)
    else:
        keys = pd.Series([_group_key(group, field_id) for field_id in labels.index], index=labels.index)
    by_group = labels.groupby(keys, sort=False).max()
    if len(by_group) < count:
        raise ValueError(
            f"{len(by_group)} fields or groups cannot be split into {count} folds; lower folds.count or change "
            "folds.group"
        )
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

    train, additional: data set -> path of its label table; see `assign_folds`.
    """
    names = read_classes(classes)
    folds = assign_folds(
        {dataset: read_labels(table, names) for dataset, table in train.items()},
        {dataset: read_labels(table, names) for dataset, table in additional.items()},
        **settings.model_dump(),
    )
    write_csv(path, folds)


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


def _group_key(pattern: str, field_id: str) -> str:
    match = re.search(pattern, field_id)
    if match is None:
        return field_id
    return match.group(1) if match.groups() else match.group(0)
