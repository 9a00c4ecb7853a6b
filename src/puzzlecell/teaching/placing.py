"""Finds the cells of this run that grades are about, and notices where the masks have changed since the grading."""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from puzzlecell.config.grades import GradeSettings
from puzzlecell.data.store import ShardReader
from puzzlecell.teaching.grades import Grade

ALONE = "placed by its number alone: a change of the masks would not be noticed"


@dataclass(frozen=True)
class Placed:
    """A grade and its cell in the masks of this run.

    cell: number of the cell, 0 if there is none. what: why there is none, or what is worth knowing about it, or "".
    """

    grade: Grade
    cell: int
    what: str = ""


def place(
    grades: Sequence[Grade], cells: pd.DataFrame, masks: ShardReader, settings: GradeSettings
) -> list[Placed]:
    """Return the cell of each grade, in the order of `grades`.

    cells: cell table of the data set. masks: its label images, with the array `cells`.

    - A grade with a pixel belongs to the cell at this pixel, whatever its number is now.
    - A grade with a number and no pixel belongs to the cell of this number.
    - In both cases the cell must be as it was when it was graded, as far as the grade says how it was: its centroid
      within `most_moved` of its diameter (of a disc of its area), its area within the factor `most_resized`.
    - If there is no such cell, the centroid decides: the nearest cell that fulfils these conditions.
    - Two cells that one person graded and that are one cell now belong to no cell: by different numbers, or, without
      numbers, by different pixels for the same class.
    """
    by_field: dict[str, list[int]] = defaultdict(list)
    for number, grade in enumerate(grades):
        by_field[grade.ID].append(number)
    tables = dict(tuple(cells.groupby("ID", sort=False)))
    placed: dict[int, Placed] = {}
    for field_id, numbers in by_field.items():
        field = _Field(tables.get(field_id), _lookup(masks, field_id), settings)
        found = _without_merged([field.place(grades[number]) for number in numbers])
        placed |= zip(numbers, found, strict=True)
    return [placed[number] for number in range(len(grades))]


def _lookup(masks: ShardReader, field_id: str) -> Callable[[float, float], int | str]:
    """The number of the cell at a pixel (y, x) of the raw field, 0 for background, or why there can be none."""
    size: tuple[int, int] | None = None
    labels = np.zeros((1, 1), np.uint16)

    def at(y: float, x: float) -> int | str:
        nonlocal size, labels
        if size is None:
            size, labels = masks.size(field_id), masks.read(field_id, "cells")
        height, width = size
        # Pixel centres are whole numbers; (-0.5, -0.5) is the corner of the field.
        row, column = math.floor(y + 0.5), math.floor(x + 0.5)
        if row >= height or column >= width:
            return f"y {y:g}, x {x:g} is outside the field, which has {height} rows and {width} columns"
        # As in `nearest_index`, by which masks are resized for the submission.
        return int(
            labels[
                (2 * row + 1) * labels.shape[0] // (2 * height),
                (2 * column + 1) * labels.shape[1] // (2 * width),
            ]
        )

    return at


class _Field:
    """The cells of a field, as they are now."""

    def __init__(
        self,
        cells: pd.DataFrame | None,
        at: Callable[[float, float], int | str],
        settings: GradeSettings,
    ):
        self.at, self.settings = at, settings
        self.cells = {}
        if cells is not None:
            columns = (cells[name].tolist() for name in ("cell", "area_px", "centroid_y", "centroid_x"))
            self.cells = {cell: tuple(place) for cell, *place in zip(*columns, strict=True)}

    def place(self, grade: Grade) -> Placed:
        if not self.cells:
            return Placed(grade, 0, "the field has no cells in this run")
        cell, problem = self._direct(grade)
        if not problem:
            return Placed(grade, cell, self._note(grade, cell))
        if grade.centroid_y is None or grade.centroid_x is None:
            return Placed(grade, 0, problem)
        fitting = [number for number in self.cells if not self._misfit(grade, number)]
        if not fitting:
            return Placed(grade, 0, f"{problem}; no other cell has this centroid and area")
        nearest = min(fitting, key=lambda number: self._distance(grade, number))
        return Placed(grade, nearest, f"{problem}; found by its centroid as cell {nearest}")

    def _direct(self, grade: Grade) -> tuple[int, str]:
        """The cell at the pixel, or the one of this number, and why it cannot be that, or ""."""
        if grade.y is not None and grade.x is not None:
            found = self.at(grade.y, grade.x)
            if isinstance(found, str):
                return 0, found
            if found == 0:
                return 0, f"background at y {grade.y:g}, x {grade.x:g}"
            return found, self._misfit(grade, found)
        number = grade.cell or 0
        if number not in self.cells:
            return 0, f"there is no cell {number} now"
        return number, self._misfit(grade, number)

    def _misfit(self, grade: Grade, number: int) -> str:
        """How a cell differs from the graded one, or "" if it does not as far as known."""
        area = self.cells[number][0]
        if grade.area_px is not None and area > 0:
            factor = max(area / grade.area_px, grade.area_px / area)
            if factor > self.settings.most_resized:
                return f"cell {number} has {area} pixels now, {grade.area_px:g} when it was graded"
        if grade.centroid_y is None:
            return ""
        moved, diameter = self._distance(grade, number), 2 * math.sqrt(area / math.pi)
        if moved > self.settings.most_moved * diameter:
            return f"the centroid of cell {number} is {moved:.1f} pixels away from that of the graded cell"
        return ""

    def _distance(self, grade: Grade, number: int) -> float:
        _, y, x = self.cells[number]
        return math.hypot(y - (grade.centroid_y or 0), x - (grade.centroid_x or 0))

    @staticmethod
    def _note(grade: Grade, cell: int) -> str:
        if grade.cell is not None and grade.cell != cell:
            return f"cell {grade.cell} when it was graded, cell {cell} now"
        known = (grade.y, grade.centroid_y, grade.area_px)
        return ALONE if all(value is None for value in known) else ""


def _without_merged(placed: Sequence[Placed]) -> list[Placed]:
    """Take from grades the cell in which several graded cells have become one."""
    merged: dict[int, str] = {}
    seen: dict[tuple, tuple] = {}
    for found in placed:
        grade = found.grade
        kind = ("numbers",) if grade.cell is not None else ("pixels", grade.index)
        key = (found.cell, grade.annotator, kind)
        first = seen.setdefault(key, grade.graded)
        if found.cell and first != grade.graded:
            merged[found.cell] = (
                f"{_shown(first)} and {_shown(grade.graded)} were graded as two cells and are one, {found.cell}, now"
            )
    return [Placed(found.grade, 0, merged[found.cell]) if found.cell in merged else found for found in placed]


def _shown(graded: tuple) -> str:
    return f"cell {graded[1]}" if graded[0] == "cell" else f"y {graded[1]:g}, x {graded[2]:g}"
