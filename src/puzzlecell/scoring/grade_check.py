"""Check of tables of grades before they are used: do people agree, and are the graded cells still there?"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from puzzlecell.config.grades import GradeSettings
from puzzlecell.config.labels import WithoutClass
from puzzlecell.data.store import ShardReader
from puzzlecell.data.tables import read_parquet
from puzzlecell.data.text_tables import TableError, read_text_columns
from puzzlecell.errors import UserError
from puzzlecell.runtime.messages import first_few
from puzzlecell.scoring.grade_agreement import Compared, GivenGrade, compared
from puzzlecell.teaching.grades import Grade, read_grades
from puzzlecell.teaching.placing import ALONE, Placed, place

AnyPath = str | os.PathLike


@dataclass(frozen=True)
class Moved:
    """What has become of the cells of a table since they were graded: numbers of grades.

    same: the cell is as it was, as far as the grade says. alone: the grade names its cell by number alone, so that
    nobody can tell. changed: the cell has another number now, or was found elsewhere. lost: grades without a cell.
    examples: some of those that changed or are lost, with their lines.
    """

    table: str
    same: int
    alone: int
    changed: int
    lost: int
    examples: list[str]


@dataclass(frozen=True)
class CheckedGrades:
    """What `check_grades` found. dataset: the one whose masks were compared, None if none were; moved: per table."""

    grades: list[GivenGrade]
    compared: Compared
    dataset: str | None
    moved: list[Moved]


def check_grades(
    tables: Sequence[AnyPath],
    classes: Sequence[str],
    *,
    results: AnyPath | None,
    dataset: str | None = None,
    settings: GradeSettings,
    without_class: WithoutClass = "error",
) -> CheckedGrades:
    """Read tables of grades of one data set, find their cells, and compare the grades of different people.

    results: folder of a run, with the masks of the data set; None: cells are compared as the tables name them, by
    number, or else by pixel. dataset: None for the one that has the fields of the tables. Grades without a cell are
    compared with none. Raises TableError with every line of all tables that cannot be used, and UserError for a data
    set that has no masks or cannot be told.
    """
    if len({Path(table).resolve() for table in tables}) < len(tables):
        raise UserError("a table is named twice; expected each table once")
    masks: dict[str, list[Path]] = {} if results is None else _masks(Path(results))
    if results is not None:
        dataset = _dataset(tables, masks, Path(results), dataset)
    reader = ShardReader(masks[dataset]) if results is not None and dataset is not None else None
    read = _read(
        tables, classes, known=None if reader is None else set(reader.ids), without_class=without_class
    )
    if reader is None or dataset is None:
        given = [GivenGrade(table, grade, grade.graded) for table, grades in read.items() for grade in grades]
        return CheckedGrades(given, compared(given), None, [])
    cells = pd.concat(
        [read_parquet(path.with_name(f"{path.stem}.cells.parquet")) for path in masks[dataset]],
        ignore_index=True,
    )
    placed = {table: place(grades, cells, reader, settings) for table, grades in read.items()}
    given = [
        GivenGrade(table, row.grade, row.cell) for table, rows in placed.items() for row in rows if row.cell
    ]
    return CheckedGrades(
        given, compared(given), dataset, [_moved(table, rows) for table, rows in placed.items()]
    )


def _masks(results: Path) -> dict[str, list[Path]]:
    """Masks of the data sets of a run that has made them."""
    found = {folder.name: sorted(folder.glob("*.h5")) for folder in sorted((results / "masks").glob("*"))}
    found = {name: paths for name, paths in found.items() if paths}
    if not found:
        raise UserError(
            f"{results / 'masks'}: there are no masks; expected the folder of results of a run that has segmented its "
            "cells"
        )
    return found


def _dataset(
    tables: Sequence[AnyPath], masks: dict[str, list[Path]], results: Path, dataset: str | None
) -> str:
    if dataset is not None:
        if dataset not in masks:
            raise UserError(
                f"--dataset: {results / 'masks'} has no data set {dataset}; found {first_few(sorted(masks), 12)}"
            )
        return dataset
    graded = {field_id.strip() for table in tables for field_id in read_text_columns(table, ["ID"])[1]["ID"]}
    common = {name: len(graded & set(ShardReader(paths).ids)) for name, paths in masks.items()}
    most = max(common.values())
    best = [name for name, count in common.items() if count == most]
    if most == 0:
        raise UserError(
            f"{tables[0]}: no data set of {results / 'masks'} has the graded fields, such as "
            f"{min(graded, default='')!r}; found the data sets {first_few(sorted(masks), 12)}"
        )
    if len(best) > 1:
        raise UserError(
            f"{tables[0]}: the data sets {first_few(best, 12)} all have the graded fields; name one of them with "
            "--dataset"
        )
    return best[0]


def _read(
    tables: Sequence[AnyPath], classes: Sequence[str], *, known: set[str] | None, without_class: WithoutClass
) -> dict[str, list[Grade]]:
    read, problems = {}, []
    for table in tables:
        try:
            read[str(table)] = read_grades(table, classes, known=known, without_class=without_class)
        except TableError as error:
            problems.append(str(error))
    if problems:
        raise TableError("\n".join(problems))
    return read


def _moved(table: str, placed: Sequence[Placed]) -> Moved:
    lost = [row for row in placed if not row.cell]
    changed = [row for row in placed if row.cell and row.what not in {"", ALONE}]
    return Moved(
        table,
        same=sum(row.what == "" for row in placed),
        alone=sum(row.what == ALONE for row in placed),
        changed=len(changed),
        lost=len(lost),
        examples=[f"line {row.grade.line}: field {row.grade.ID}: {row.what}" for row in [*lost, *changed]],
    )
