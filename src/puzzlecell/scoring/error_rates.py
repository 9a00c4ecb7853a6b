"""How often cells are called wrongly, and whether a group of cells differs more than these errors alone would explain.

Model. A group of n cells either shows a class in all cells or in none. If all cells show it, the number k of cells that
are called has a beta-binomial distribution with the measured sensitivity as its mean, if none does, one with the
measured rate of false calls. Their variance between groups comes from two sources: the rate differs from field to field
(intraclass correlation r of the calls of one field's cells), and it was measured on a limited number of cells.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import betabinom


@dataclass(frozen=True)
class Rate:
    """Fraction of calls among cells that show a class, or among cells that do not.

    a, b: parameters of its beta distribution over groups of cells; cells, fields: numbers that it was measured on;
    correlation: intraclass correlation of the calls of a field.
    """

    a: float
    b: float
    cells: int
    fields: int
    correlation: float

    @property
    def mean(self) -> float:
        """Expected fraction of calls."""
        return self.a / (self.a + self.b)


@dataclass(frozen=True)
class ErrorRates:
    """Errors of one class: how often cells that show it are called, and how often those of fields without it are."""

    sensitivity: Rate
    false_calls: Rate


def intraclass_correlation(hits: np.ndarray, cells: np.ndarray) -> float:
    """Correlation of the calls of a field's cells, cut off at 0: the ANOVA estimator (Ridout, Demétrio and Firth 1999).

    hits, cells: (fields,) number of calls and of cells. 0 with less than two fields, or with one cell in each.
    """
    fields, total = len(cells), cells.sum()
    if fields < 2 or total <= fields:
        return 0.0
    by_field = (hits**2 / cells).sum()
    between = (by_field - hits.sum() ** 2 / total) / (fields - 1)
    within = (hits.sum() - by_field) / (total - fields)
    size = (total - (cells**2).sum() / total) / (fields - 1)
    spread = between + (size - 1) * within
    return float(np.clip((between - within) / spread, 0, 1)) if spread > 0 else 0.0


def measured_rate(called: np.ndarray, fields: np.ndarray) -> Rate:
    """Rate of calls (n,) bool of cells of these fields (n,), n > 0.

    The cells count as n / (1 + (m - 1) r) independent ones, m being the size-weighted mean number of cells in a field
    (design effect, Kish 1965). Without a correlation, the distribution is that of Bayes with the prior of Jeffreys,
    beta(hits + 1/2, misses + 1/2); with a correlation r, its variance grows to that of fields that differ.
    """
    _, numbers = np.unique(fields, return_inverse=True)
    cells = np.bincount(numbers).astype(np.float64)
    hits = np.bincount(numbers, called)
    correlation = intraclass_correlation(hits, cells)
    total = cells.sum()
    independent = total / (1 + ((cells**2).sum() / total - 1) * correlation)
    mean = (hits.sum() / total * independent + 0.5) / (independent + 1)
    # A beta distribution has the variance mean x (1 - mean) / (a + b + 1).
    both = 1 / (correlation + (1 - correlation) / (independent + 2)) - 1
    # Fields that agree within and differ entirely leave no room for a distribution between 0 and 1.
    both = max(both, 1e-3)
    return Rate(mean * both, (1 - mean) * both, int(total), len(cells), correlation)


def error_rates(
    called: np.ndarray, truth: np.ndarray, fields: np.ndarray, *, least: int
) -> list[ErrorRates | None]:
    """Measure the errors of every class on cells whose classes are known; None for a class with too few of them.

    called: (n, C) bool. truth: (n, C) in 0 and 1, NaN where it is not known. fields: (n,) the field of each cell. False
    calls are counted in fields without any cell that shows the class. least: number of cells that each rate needs; they
    must be in at least two fields.
    """
    found: list[ErrorRates | None] = []
    for said, shows in zip(called.T, truth.T, strict=True):
        positive = shows == 1
        without = (shows == 0) & ~np.isin(fields, np.unique(fields[positive]))
        if min(positive.sum(), without.sum()) < least or any(
            len(np.unique(fields[chosen])) < 2 for chosen in (positive, without)
        ):
            found.append(None)
            continue
        found.append(
            ErrorRates(
                measured_rate(said[positive], fields[positive]), measured_rate(said[without], fields[without])
            )
        )
    return found


def all_or_none(called: np.ndarray, cells: np.ndarray, rates: ErrorRates) -> np.ndarray:
    """p values (groups,) of the hypothesis that a group shows the class in all of its cells or in none.

    called, cells: (groups,) number of calls and of cells. It is rejected only if both of its halves are
    (intersection-union test, Berger 1982): too few calls for cells that all show the class, and too many for cells of
    which none does. The p value is the larger of the two.
    """
    one, other = rates.sensitivity, rates.false_calls
    too_few = betabinom.cdf(called, cells, one.a, one.b)
    too_many = betabinom.sf(called - 1, cells, other.a, other.b)
    return np.clip(np.maximum(too_few, too_many), 0, 1)


def discoveries(p_values: np.ndarray, rate: float, *, tests: int) -> np.ndarray:
    """Which p values (n,) are discoveries (n,) bool at a false discovery rate (Benjamini and Hochberg 1995).

    tests: number of all tests, at least n; the p values of the others are 1.
    """
    order = np.argsort(p_values, kind="stable")
    below = p_values[order] <= rate * np.arange(1, len(order) + 1) / max(1, tests)
    found = np.zeros(len(order), bool)
    if below.any():
        found[order[: np.flatnonzero(below)[-1] + 1]] = True
    return found
