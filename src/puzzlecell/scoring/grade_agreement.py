"""Agreement between people who graded the same cells, and the grades in which they differ."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from puzzlecell.config.score import ScoreSettings
from puzzlecell.scoring.graded_score import drawn_fields, interval_of
from puzzlecell.teaching.graded_cells import SHOWN
from puzzlecell.teaching.grades import HIGHEST, Grade

FAR = 2
"""Two people whose grades of a class in a cell differ by this much contradict each other."""
DIFFER, TWICE = "differ", "twice"
"""Kinds of conflicts: two people whose grades differ by at least `FAR`, and one person with two different grades."""
CONFLICT = ["kind", "ID", "cell", "class"]


@dataclass(frozen=True)
class GivenGrade:
    """A grade, the table that it is from, and its cell: `cell` is its number in this run, or how the grade names it."""

    table: str
    grade: Grade
    cell: object

    @property
    def annotator(self) -> str:
        """Who graded. People without a name in different tables are different people."""
        return self.grade.annotator or f"nobody named in {self.table}"


@dataclass(frozen=True)
class Compared:
    """Grades that were compared.

    pairs: grades of two people for a class of a cell: `ID, cell, class` (index), `first, second` (people, in the order
    of their names), `first_grade, second_grade`. conflicts: `kind, ID, cell, class` (index), and `annotator, grade,
    table, line` of both grades, with the endings `_1` and `_2`. repeated: grades that one person gave twice alike.
    """

    pairs: pd.DataFrame
    conflicts: pd.DataFrame
    repeated: int


def compared(given: Sequence[GivenGrade]) -> Compared:
    """Compare all grades of the same class in the same cell.

    A person with different grades in two tables is a conflict, and takes part in no pair there.
    """
    groups: dict[tuple, list[GivenGrade]] = {}
    for row in given:
        groups.setdefault((row.grade.ID, row.cell, row.grade.index), []).append(row)
    pairs, conflicts, repeated = [], [], 0
    for (field_id, cell, index), rows in groups.items():
        people: dict[str, list[GivenGrade]] = {}
        for row in rows:
            people.setdefault(row.annotator, []).append(row)
        clear = []
        for _, own in sorted(people.items()):
            other = [row for row in own[1:] if row.grade.grade != own[0].grade.grade]
            repeated += len(own) - 1 - len(other)
            conflicts += [(TWICE, field_id, cell, index, *_side(own[0]), *_side(row)) for row in other]
            clear += [] if other else [own[0]]
        for one, two in combinations(clear, 2):
            grades = one.grade.grade, two.grade.grade
            pairs.append((field_id, cell, index, one.annotator, two.annotator, *grades))
            if abs(grades[0] - grades[1]) >= FAR:
                conflicts.append((DIFFER, field_id, cell, index, *_side(one), *_side(two)))
    sides = [f"{name}_{number}" for number in (1, 2) for name in ("annotator", "grade", "table", "line")]
    names = ["ID", "cell", "class", "first", "second", "first_grade", "second_grade"]
    return Compared(
        pd.DataFrame(pairs, columns=names), pd.DataFrame(conflicts, columns=[*CONFLICT, *sides]), repeated
    )


def _side(row: GivenGrade) -> tuple[str, int, str, int]:
    return row.annotator, row.grade.grade, row.table, row.grade.line


def agreement(
    pairs: pd.DataFrame, values: np.ndarray, settings: ScoreSettings, by: Sequence[str] = ("class",)
) -> pd.DataFrame:
    """Return `cells, pairs, same, kappa, low, high` for each group of pairs.

    pairs: of `compared`. values: (C, 5) soft values of the grades. by: columns that make the groups. same: share of the
    pairs in which both say that the cell shows the class, or both that it lacks it (soft values of at least 0.5, or
    below). kappa: `weighted_kappa` of the grades, with the bootstrap interval over fields, as in `score`.
    """
    rows = []
    shown = values >= SHOWN
    for key, group in pairs.groupby(list(by), sort=True):
        first, second, index = (
            group[name].to_numpy(np.int64) for name in ("first_grade", "second_grade", "class")
        )
        numbers, draws = drawn_fields(group["ID"].to_numpy(), settings)
        counts = np.zeros((draws.shape[1], HIGHEST * HIGHEST), np.int64)
        np.add.at(counts, (numbers, (first - 1) * HIGHEST + second - 1), 1)
        kappas = weighted_kappa((draws @ counts).reshape(-1, HIGHEST, HIGHEST))
        low, high = interval_of(kappas[1:, None], settings.interval)
        same = (shown[index, first - 1] == shown[index, second - 1]).mean()
        cells = len(group[["ID", "cell"]].drop_duplicates())
        rows.append((*key, cells, len(group), same, kappas[0], low[0], high[0]))
    return pd.DataFrame(rows, columns=[*by, "cells", "pairs", "same", "kappa", "low", "high"])


def weighted_kappa(counts: np.ndarray) -> np.ndarray:
    """Cohen's kappa with quadratic weights (...): 1 for perfect agreement, 0 for that of chance.

    counts: (..., K, K) how often the first person gave grade i and the second one grade j. Equals
    `sklearn.metrics.cohen_kappa_score(weights="quadratic")`, for many tables at once (Cohen, 1968, Psychological
    Bulletin 70, 213-220). NaN where all grades are the same, so that chance alone agrees.
    """
    grades = np.arange(counts.shape[-1])
    weights = (grades[:, None] - grades[None]) ** 2
    total = counts.sum(axis=(-2, -1), keepdims=True)
    rows, columns = counts.sum(axis=-1, keepdims=True), counts.sum(axis=-2, keepdims=True)
    observed = (weights * counts).sum(axis=(-2, -1))
    expected = (weights * (rows * columns) / np.maximum(total, 1)).sum(axis=(-2, -1))
    return 1 - np.divide(observed, expected, out=np.full(observed.shape, np.nan), where=expected > 0)
