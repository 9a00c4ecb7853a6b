"""Graded fields whose grades no stage learns from: with them, the score per graded cell says something new."""

import logging
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b

import pandas as pd

from puzzlecell.config.class_table import read_classes
from puzzlecell.config.datasets import FoldSettings
from puzzlecell.config.grades import GradeSettings
from puzzlecell.config.labels import WithoutClass
from puzzlecell.data.duplicates import duplicates, read_contents
from puzzlecell.data.fold_column import column_keys
from puzzlecell.data.folds import field_groups
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
) -> pd.DataFrame:
    """Choose the held-out fields: a table `dataset, ID, group, cells, held_out` with a row per graded field.

    grades: data set -> grades of its cells. group, together: what keeps fields together, see `split_fields`. Groups are
    drawn in an order that depends only on their names and the seed, until they have the fraction `held_out` of all
    graded cells; at least one group is drawn, and at least one is left. A single group is not held out.
    """
    cells = Counter(
        (dataset, field_id)
        for dataset, given in grades.items()
        for field_id, _ in dict.fromkeys((grade.ID, grade.graded) for grade in given)
    )
    ids = list(dict.fromkeys(field_id for _, field_id in cells))
    group_of = dict(zip(ids, field_groups(ids, group, together or {}), strict=True))
    size = Counter[str]()
    for (_, field_id), count in cells.items():
        size[group_of[field_id]] += count
    chosen: set[str] = set()
    if settings.held_out > 0:
        wanted = settings.held_out * sum(size.values())
        for name in sorted(size, key=lambda name: _draw(settings.seed, name))[:-1]:
            if sum(size[held] for held in chosen) >= wanted:
                break
            chosen.add(name)
    rows = [
        (dataset, field_id, group_of[field_id], count, int(group_of[field_id] in chosen))
        for (dataset, field_id), count in cells.items()
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _draw(seed: int, name: str) -> bytes:
    return blake2b(f"{seed} {name}".encode(), digest_size=8).digest()


def write_held_out(
    path: AnyPath,
    *,
    grades: Mapping[str, AnyPath],
    labels: Iterable[AnyPath],
    contents: Iterable[AnyPath],
    classes: AnyPath,
    settings: GradeSettings,
    folds: FoldSettings,
    without_class: WithoutClass = "error",
) -> None:
    """Write the table of `held_out_fields` for all training sets.

    grades: data set -> path of its table of grades. labels: label tables of the training sets, for `folds.column`.
    contents: tables of `write_contents`: fields with equal images stay together. Raises TableError.
    """
    names = read_classes(classes)
    given = {
        dataset: read_grades(table, names, without_class=without_class) for dataset, table in grades.items()
    }
    by_column = column_keys(labels, folds.column)
    ids = dict.fromkeys(grade.ID for table in given.values() for grade in table)
    same = duplicates(read_contents(contents), ids)
    together = {field_id: [by_column[field_id]] for field_id in ids if field_id in by_column}
    for content, equal in same.items():
        for field_id in equal:
            together.setdefault(field_id, []).append(content)
    table = held_out_fields(given, settings, folds.group, together)
    held = table[table["held_out"] == 1]
    log.info(
        "held out: %d of %d graded cells, in %d of %d groups of fields",
        held["cells"].sum(),
        table["cells"].sum(),
        held["group"].nunique(),
        table["group"].nunique(),
    )
    if settings.held_out > 0 and held.empty:
        log.warning(
            "no graded cell is held out, because all are in one group of fields that stay together, %s: there will be "
            "no score per graded cell for these data sets",
            table["group"].iloc[0],
        )
    write_csv(path, table)
