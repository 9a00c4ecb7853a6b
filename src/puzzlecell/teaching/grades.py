"""Tables of grades: how surely people saw a class in single cells (`cell_labels.csv`).

Imports nothing heavy, because a table is checked before the first job.
"""

import math
import os
from collections.abc import Container, Sequence
from dataclasses import dataclass

from puzzlecell.config.labels import WithoutClass
from puzzlecell.data.class_names import ClassNames
from puzzlecell.data.ids import id_problem
from puzzlecell.data.text_tables import TableError, listed, quoted, read_text_columns

HIGHEST = 5
"""The highest grade; the lowest one is 1."""
PLACES = ("cell", "y", "x", "area_px", "centroid_y", "centroid_x")
"""Columns that say which cell was graded, and how it was then."""
RANDOM = "random"
"""The queue whose cells are a random sample of all cells, so that their grades say something about all of them."""
QUEUES = ("uncertain", "disagree", "rare", RANDOM)
"""Queues in which the viewer shows cells to people who grade them."""


@dataclass(frozen=True)
class Grade:
    """One row of a table: a person's grade for one class of one cell.

    line: number of the line, from 1. index: of the class. cell: number of the cell in the label image that was graded.
    y, x: pixel of the raw field inside the cell. area_px, centroid_y, centroid_x: of the cell when it was graded, in
    pixels of the raw field. What is not given is None; the cell or the pixel is. queue: one of `QUEUES`, in which the
    cell came up for this class; "" if it came up otherwise, or if that is not known.
    """

    line: int
    ID: str
    index: int
    grade: int
    annotator: str
    cell: int | None = None
    y: float | None = None
    x: float | None = None
    area_px: float | None = None
    centroid_y: float | None = None
    centroid_x: float | None = None
    queue: str = ""

    @property
    def graded(self) -> tuple:
        """What identifies the cell as it was when it was graded: its number, or else the pixel."""
        return ("cell", self.cell) if self.cell is not None else ("pixel", self.y, self.x)


def read_grades(
    path: str | os.PathLike,
    classes: Sequence[str],
    *,
    known: Container[str] | None = None,
    without_class: WithoutClass = "error",
) -> list[Grade]:
    """Read a table `ID, class, grade` with `cell`, or `y` and `x`, or all three, in the order of its lines.

    The columns `annotator`, `area_px`, `centroid_y`, `centroid_x` and `queue` are optional, and so are single values of
    all columns but the first three, as long as each row has a cell or a pixel. A class is the name of a class or of a
    location, or an index. known: IDs of the data set; None: not checked. without_class: `leave_out` skips rows with a
    location that has no class. Raises TableError naming each line that is wrong, and a table without rows.
    """
    lines, columns = read_text_columns(path, ["ID", "class", "grade"])
    missing = [name for name in ("y", "x") if name not in columns]
    if "cell" not in columns and missing:
        raise TableError(
            f"{path}: no column cell, and no column {' and '.join(missing)}; expected the number of the cell (cell), "
            "or a pixel inside it (y, x)"
        )
    if not lines:
        raise TableError(f"{path}: the table has no rows; expected a row per grade, or no table")
    reader = _Rows(path, ClassNames(classes), known, without_class)
    for number, line in enumerate(lines):
        reader.read(line, {name: values[number].strip() for name, values in columns.items()})
    if reader.problems:
        raise TableError("\n".join(listed(reader.problems, path)))
    return reader.grades


class _Rows:
    """Reads the rows of a table one after the other, and collects what is wrong with them."""

    def __init__(self, path, names: ClassNames, known: Container[str] | None, without_class: WithoutClass):
        self.path, self.names, self.known, self.without_class = path, names, known, without_class
        self.grades: list[Grade] = []
        self.problems: list[str] = []
        self._line_of: dict[tuple, int] = {}

    def read(self, line: int, row: dict[str, str]) -> None:
        problems: list[str] = []
        index = self._class(row["class"], problems)
        field_id, grade = row["ID"], row["grade"]
        wrong = id_problem(field_id)
        if wrong:
            problems.append(f"ID {quoted(field_id)} {wrong}")
        elif self.known is not None and field_id not in self.known:
            problems.append(f"ID {quoted(field_id)} is that of no field of this data set")
        if grade not in {str(value) for value in range(1, HIGHEST + 1)}:
            problems.append(f"grade {quoted(grade)}; expected a whole number from 1 to {HIGHEST}")
        queue = row.get("queue", "")
        if queue and queue not in QUEUES:
            problems.append(f"queue {quoted(queue)}; expected {', '.join(QUEUES)}, or nothing")
        places = {name: _number(name, row.get(name, ""), problems) for name in PLACES}
        if not problems:
            _check_place(places, problems)
        if problems:
            self.problems += [f"{self.path}: line {line}: {problem}" for problem in problems]
        elif index is not None:
            cell = places.pop("cell")
            who = row.get("annotator", "")
            number = None if cell is None else int(cell)
            self._add(Grade(line, field_id, index, int(grade), who, cell=number, queue=queue, **places))

    def _class(self, text: str, problems: list[str]) -> int | None:
        """Index of a class; None if there is a problem, or a location without a class, which is left out."""
        count = len(self.names.classes)
        if self.names.is_known(text):
            index = self.names.index(text)
            if index is None and self.without_class == "error":
                problems.append(
                    f"class {quoted(text)} is a location that has no class in the class table; delete the row, or set "
                    "labels.without_class: leave_out"
                )
            return index
        if text.isascii() and text.isdecimal():
            if int(text) < count:
                return int(text)
            problems.append(f"class {text}; expected a name, or a number from 0 to {count - 1}")
        elif text:
            problems.append(f"class {quoted(text)} is no class and no location; {self.names.hint(text)}")
        else:
            problems.append("no class")
        return None

    def _add(self, grade: Grade) -> None:
        key = (grade.ID, grade.graded, grade.index, grade.annotator)
        if key in self._line_of:
            who = f" by {quoted(grade.annotator)}" if grade.annotator else ""
            self.problems.append(
                f"{self.path}: line {grade.line}: this class of this cell is graded{who} in line {self._line_of[key]} "
                "already; delete one of the rows, or name the people in the column annotator"
            )
        self._line_of.setdefault(key, grade.line)
        self.grades.append(grade)


def _number(name: str, text: str, problems: list[str]) -> float | None:
    """A number of a column of `PLACES`; None if it is not given, or wrong."""
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if name == "cell":
        if text.isascii() and text.isdecimal() and value >= 1:
            return value
        problems.append(f"cell {quoted(text)}; expected the number of a cell, from 1")
    elif not math.isfinite(value) or value < 0 or (name == "area_px" and value == 0):
        expected = "a number above 0" if name == "area_px" else "a number of pixels, from 0"
        problems.append(f"{name} {quoted(text)}; expected {expected}")
    else:
        return value
    return None


def _check_place(places: dict[str, float | None], problems: list[str]) -> None:
    for one, other in (("y", "x"), ("centroid_y", "centroid_x")):
        if (places[one] is None) != (places[other] is None):
            given, lacking = (one, other) if places[other] is None else (other, one)
            problems.append(f"{given} without {lacking}; expected both or none")
            return
    if places["cell"] is None and places["y"] is None:
        problems.append("neither cell nor y and x; expected the number of the cell, or a pixel inside it")
