"""Soft values of graded cells, and what became of each grade."""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from puzzlecell.config.class_table import read_classes
from puzzlecell.config.grades import GradeSettings, GradeValues
from puzzlecell.config.labels import WithoutClass
from puzzlecell.data.store import ShardReader
from puzzlecell.data.tables import (
    class_columns,
    probability_columns,
    probability_table,
    read_csv,
    read_parquet,
    write_csv,
    write_parquet,
)
from puzzlecell.data.text_tables import TableError
from puzzlecell.errors import UserError
from puzzlecell.runtime.messages import first_few, first_lines
from puzzlecell.teaching.grades import RANDOM, read_grades
from puzzlecell.teaching.placing import ALONE, Placed, place

log = logging.getLogger(__name__)

AnyPath = str | os.PathLike
KEYS = ["ID", "cell"]
SHOWN = 0.5
"""Lowest soft value of a cell that counts as showing the class where a yes or no is needed."""
REPORT = ["line", "ID", "cell", "class", "grade", "annotator", "queue", "what"]


@dataclass(frozen=True)
class GradedFiles:
    """Where the results go.

    cells: Parquet `ID, cell, annotators, held_out, p00 ...`, see `soft_values`, and `r00 ...`, see `queue_columns`.
    report: CSV with a row per grade; its cell is 0 if there is none, and `what` says why, or what is worth knowing.
    warnings: CSV `dataset, ID, what`.
    """

    cells: AnyPath
    report: AnyPath
    warnings: AnyPath


def soft_values(placed: Sequence[Placed], values: Sequence[GradeValues]) -> pd.DataFrame:
    """Return a row per graded cell: `ID, cell, annotators, p00 ...`, in the order of IDs and cells.

    values: soft values of the grades 1 to 5 for each class. p00 ...: mean over the people that graded the class in this
    cell; NaN where nobody did. annotators: number of people that graded any class of the cell. Grades without a cell
    are left out.
    """
    found = [row for row in placed if row.cell]
    table = pd.DataFrame(
        {
            "ID": pd.array([row.grade.ID for row in found], dtype=object),
            "cell": np.array([row.cell for row in found], np.int32),
            "class": [row.grade.index for row in found],
            "value": [values[row.grade.index][row.grade.grade - 1] for row in found],
            "annotator": [row.grade.annotator for row in found],
        }
    )
    people = table.groupby(KEYS)["annotator"].nunique()
    mean = table.groupby([*KEYS, "class"])["value"].mean().unstack("class")
    mean = mean.reindex(index=people.index, columns=range(len(values)))
    ids, cells = (people.index.get_level_values(name).to_numpy() for name in KEYS)
    keys = {"ID": ids, "cell": cells.astype(np.int32), "annotators": people.to_numpy(np.int32)}
    return probability_table(keys, mean.to_numpy(np.float64).reshape(len(people), len(values)))


def in_queue(placed: Sequence[Placed], table: pd.DataFrame, queue: str) -> np.ndarray:
    """Return for which classes (n, C) bool the cells of the table of `soft_values` came up in a queue.

    One person who was shown the cell in this queue is enough: that it was drawn does not depend on who graded it.
    """
    row_of = {key: row for row, key in enumerate(zip(table["ID"], table["cell"], strict=True))}
    found = np.zeros((len(table), len(class_columns(table))), bool)
    for row in placed:
        if row.cell and row.grade.queue == queue:
            found[row_of[row.grade.ID, row.cell], row.grade.index] = True
    return found


def queue_columns(classes: int) -> list[str]:
    """Names of the columns that say for which classes a cell came up in the random queue: r00, r01, ..."""
    return [name.replace("p", "r") for name in probability_columns(classes)]


def grades_of(cells: pd.DataFrame, graded: pd.DataFrame, path: AnyPath) -> np.ndarray:
    """Return the soft values (n, C) float64 of the cells of a table; NaN for classes and cells without a grade.

    cells: `ID, cell` and any other columns. graded: rows of the table of `write_graded_cells`; those of fields that
    `cells` lacks, because they are in no fold, do not count. path: of `graded`, for the messages. Raises UserError for
    graded cells that the other fields lack.
    """
    elsewhere = ~graded["ID"].isin(set(cells["ID"]))
    if elsewhere.any():
        log.warning("%s: left out %d graded cells of fields in no fold", path, elsewhere.sum())
        graded = graded[~elsewhere]
    places = pd.MultiIndex.from_frame(cells[KEYS]).get_indexer(pd.MultiIndex.from_frame(graded[KEYS]))
    absent = graded[places < 0]
    if len(absent):
        such = (
            f"cell {cell} of {field_id}" for field_id, cell in zip(absent["ID"], absent["cell"], strict=True)
        )
        raise UserError(
            f"{path}: there are no predictions for {len(absent)} graded cells, such as {first_few(such, 3)}"
        )
    columns = class_columns(graded)
    values = np.full((len(cells), len(columns)), np.nan)
    values[places] = graded[columns].to_numpy(np.float64)
    return values


def write_graded_cells(
    files: GradedFiles,
    *,
    dataset: str,
    grades: AnyPath,
    cell_tables: Sequence[AnyPath],
    masks: Sequence[AnyPath],
    held_out: AnyPath | None,
    teaches: bool,
    classes: AnyPath,
    settings: GradeSettings,
    without_class: WithoutClass = "error",
) -> None:
    """Place the grades of a data set, and write the soft values of its cells, a report and the warnings.

    held_out: table of `write_held_out`; None: there is none. teaches: whether stages may learn from this data set; if
    not, all its cells are held out. Raises TableError for an unusable table, and where more than `max_unplaced` of its
    grades have no cell.
    """
    names = read_classes(classes)
    given = read_grades(grades, names, without_class=without_class)
    cells = pd.concat([read_parquet(table) for table in cell_tables], ignore_index=True)
    placed = place(given, cells, ShardReader(masks), settings)
    _check_placed(grades, placed, settings.max_unplaced)
    table = soft_values(placed, settings.values_of(names))
    held = _held_out(held_out, dataset) if teaches else set(table["ID"])
    table.insert(3, "held_out", table["ID"].isin(held).to_numpy(bool))
    drawn = in_queue(placed, table, RANDOM)
    write_parquet(files.cells, table.assign(**dict(zip(queue_columns(len(names)), drawn.T, strict=True))))
    write_csv(files.report, _report(placed, names))
    findings = _findings(placed, str(grades))
    for what in findings:
        log.warning("%s", what)
    rows = [(dataset, "", what) for what in findings]
    write_csv(files.warnings, pd.DataFrame(rows, columns=["dataset", "ID", "what"]))
    log.info(
        "%d grades of %d cells, of which %d are held out; cells graded by several people: %d",
        sum(row.cell > 0 for row in placed),
        len(table),
        table["held_out"].sum(),
        (table["annotators"] > 1).sum(),
    )


def _held_out(path: AnyPath | None, dataset: str) -> set[str]:
    if path is None:
        return set()
    table = read_csv(path)
    return set(table.loc[(table["dataset"] == dataset) & (table["held_out"] == 1), "ID"])


def _check_placed(path: AnyPath, placed: Sequence[Placed], most: float) -> None:
    lost = [row for row in placed if not row.cell]
    if len(lost) <= most * len(placed):
        return
    lines = [f"line {row.grade.line}: field {row.grade.ID}: {row.what}" for row in lost]
    raise TableError(
        "\n".join(
            [
                f"{path}: {len(lost)} of {len(placed)} grades belong to no cell of this run; grades.max_unplaced "
                f"permits a fraction of {most:g}",
                *first_lines(lines, 10),
                "  were they made with other masks, of images of another size, or are y and x swapped? Correct the "
                "table, use the masks that were graded, or raise grades.max_unplaced",
            ]
        )
    )


def _report(placed: Sequence[Placed], names: Sequence[str]) -> pd.DataFrame:
    rows = [
        (
            row.grade.line,
            row.grade.ID,
            row.cell,
            names[row.grade.index],
            row.grade.grade,
            row.grade.annotator,
            row.grade.queue,
            row.what,
        )
        for row in placed
    ]
    return pd.DataFrame(rows, columns=REPORT)


def _findings(placed: Sequence[Placed], path: str) -> list[str]:
    lost = [row for row in placed if not row.cell]
    alone = sum(row.what == ALONE for row in placed)
    found = []
    if lost:
        found.append(
            f"{len(lost)} of {len(placed)} grades belong to no cell of this run and are left out, such as that in line "
            f"{lost[0].grade.line} of {path}: {lost[0].what}"
        )
    if alone:
        found.append(
            f"{alone} of {len(placed)} grades name their cells by number alone, so that a change of the masks since "
            "the grading would not be noticed; add y and x, or area_px, centroid_y and centroid_x"
        )
    return found
