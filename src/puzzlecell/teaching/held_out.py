"""Graded fields whose grades no stage learns from: with them, the score per graded cell says something new."""

import logging
import os
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from hashlib import blake2b

import pandas as pd

from puzzlecell.config.class_table import read_classes
from puzzlecell.config.datasets import FoldSettings
from puzzlecell.config.grades import GradeSettings
from puzzlecell.config.labels import WithoutClass
from puzzlecell.data.duplicates import duplicates, read_contents
from puzzlecell.data.fold_column import column_keys
from puzzlecell.data.folds import field_groups
from puzzlecell.data.labels import read_ids
from puzzlecell.data.tables import write_csv
from puzzlecell.teaching.grades import Grade, read_grades

log = logging.getLogger(__name__)

AnyPath = str | os.PathLike
COLUMNS = ["dataset", "ID", "group", "cells", "held_out"]


def held_out_fields(
    grades: Mapping[str, Sequence[Grade]],
    settings: GradeSettings,
    group: str | None = None,
    together: Mapping[str, Sequence[str]] | None = None,
    *,
    unlabelled: Collection[str] = (),
    labelled: Iterable[str] = (),
) -> pd.DataFrame:
    """Choose the held-out fields: a table `dataset, ID, group, cells, held_out` with a row per graded field.

    grades: data set -> grades of its cells. group, together: what keeps fields together, see `split_fields`. Groups are
    drawn in an order that depends only on their names and the seed, until they have the fraction `held_out` of all
    graded cells; at least one group is drawn, and at least one is left. A single group is not held out.
    unlabelled: data sets that are in no fold. All networks would learn from their grades, so none of them is scored,
    and those of fields that stay together with one of `labelled`, the IDs of all fields in folds, are held out.
    """
    cells = Counter(
        (dataset, field_id)
        for dataset, given in grades.items()
        for field_id, _ in dict.fromkeys((grade.ID, grade.graded) for grade in given)
    )
    labelled = list(labelled)
    ids = list(dict.fromkeys([*(field_id for _, field_id in cells), *labelled]))
    group_of = dict(zip(ids, field_groups(ids, group, together or {}), strict=True))
    size = Counter[str]()
    for (dataset, field_id), count in cells.items():
        if dataset not in unlabelled:
            size[group_of[field_id]] += count
    chosen: set[str] = set()
    if settings.held_out > 0:
        wanted = settings.held_out * sum(size.values())
        for name in sorted(size, key=lambda name: _draw(settings.seed, name))[:-1]:
            if sum(size[held] for held in chosen) >= wanted:
                break
            chosen.add(name)
    in_folds = {group_of[field_id] for field_id in labelled}
    rows = [
        (dataset, field_id, name, count, int(name in (in_folds if dataset in unlabelled else chosen)))
        for (dataset, field_id), count in cells.items()
        for name in [group_of[field_id]]
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _draw(seed: int, name: str) -> bytes:
    return blake2b(f"{seed} {name}".encode(), digest_size=8).digest()


def write_held_out(
    path: AnyPath,
    *,
    grades: Mapping[str, AnyPath],
    unlabelled: Collection[str],
    labels: Sequence[AnyPath],
    tables: Sequence[AnyPath] = (),
    contents: Iterable[AnyPath],
    classes: AnyPath,
    settings: GradeSettings,
    folds: FoldSettings,
    without_class: WithoutClass = "error",
) -> None:
    """Write the table of `held_out_fields` for all data sets whose grades may be learnt from.

    grades: data set -> path of its table of grades. unlabelled: those that are in no fold. labels: label tables of all
    training sets. tables: those of unlabelled sets, which may lack the column `folds.column`. contents: tables of
    `write_contents`: fields with equal images stay together. Raises TableError.
    """
    names = read_classes(classes)
    given = {
        dataset: read_grades(table, names, without_class=without_class) for dataset, table in grades.items()
    }
    labelled = [field_id for table in labels for field_id in read_ids(table)["ID"]]
    column = folds.column
    with_column = [path for path in tables if column is not None and column in read_ids(path)]
    by_column = column_keys([*labels, *with_column], column)
    ids = dict.fromkeys([*(grade.ID for table in given.values() for grade in table), *labelled])
    same = duplicates(read_contents(contents), ids)
    together = {field_id: [key] for field_id, key in by_column.items()}
    for content, equal in same.items():
        for field_id in equal:
            together.setdefault(field_id, []).append(content)
    table = held_out_fields(given, settings, folds.group, together, unlabelled=unlabelled, labelled=labelled)
    write_csv(path, table)
    _log(table, unlabelled, settings)


def _log(table: pd.DataFrame, unlabelled: Collection[str], settings: GradeSettings) -> None:
    without = table["dataset"].isin(list(unlabelled))
    own = table[~without]
    held = own[own["held_out"] == 1]
    log.info(
        "held out: %d of %d graded cells of training sets, in %d of %d groups of fields",
        held["cells"].sum(),
        own["cells"].sum(),
        held["group"].nunique(),
        own["group"].nunique(),
    )
    if settings.held_out > 0 and held.empty and len(own):
        log.warning(
            "no graded cell is held out, because all are in one group of fields that stay together, %s: there "
            "can be no score per graded cell for these data sets",
            own["group"].iloc[0],
        )
    like = table[without & (table["held_out"] == 1)]
    if len(like):
        log.warning(
            "%d graded cells of unlabelled data sets teach nothing, because their fields belong together with training "
            "fields, such as %s",
            like["cells"].sum(),
            like["ID"].iloc[0],
        )
