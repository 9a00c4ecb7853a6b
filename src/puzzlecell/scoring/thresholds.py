"""Search decision thresholds on predictions for held-out fields."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

GRID = tuple(np.round(np.arange(0.2, 0.801, 0.01), 2).tolist())
"""Candidate thresholds, as in HPA 2018: 0.2 to 0.8."""


def f1_scores(values: np.ndarray, truth: np.ndarray, thresholds: Sequence[float]) -> np.ndarray:
    """F1 (thresholds, C) of `values >= threshold`, for values and truth (n, C); 0 without positives of either kind."""
    scores = []
    for threshold in thresholds:
        said = values >= threshold
        hits = (said & truth).sum(axis=0)
        both = said.sum(axis=0) + truth.sum(axis=0)
        scores.append(np.divide(2 * hits, both, out=np.zeros(values.shape[1]), where=both > 0))
    return np.array(scores)


def search_thresholds(
    values: np.ndarray, truth: np.ndarray, names: Sequence[str], grid: Sequence[float] = GRID
) -> pd.DataFrame:
    """Return `class, positives, threshold, f1`: first one threshold for all classes (`all`), then one per class.

    values: (n, C) probabilities; truth: (n, C) bool. `f1` of `all` is the mean over the classes that occur. Among
    equally good thresholds, the middle of the first run is taken. A class that never occurs gets the common threshold,
    with an F1 of NaN. Raises ValueError if no class occurs.
    """
    truth = truth.astype(bool)
    positives = truth.sum(axis=0)
    occurs = positives > 0
    if not occurs.any():
        raise ValueError("no class occurs in the labels, so there is nothing to search thresholds on")
    scores = f1_scores(values, truth, grid)
    common = _best(scores[:, occurs].mean(axis=1))
    rows = [("all", int(positives.sum()), grid[common], scores[common, occurs].mean())]
    for index, name in enumerate(names):
        best = _best(scores[:, index]) if occurs[index] else common
        rows.append(
            (name, int(positives[index]), grid[best], scores[best, index] if occurs[index] else np.nan)
        )
    return pd.DataFrame(rows, columns=["class", "positives", "threshold", "f1"])


def _best(scores: np.ndarray) -> int:
    first = int(scores.argmax())
    after = np.flatnonzero(~np.isclose(scores[first:], scores[first], rtol=0, atol=1e-12))
    return first + ((int(after[0]) if len(after) else len(scores) - first) - 1) // 2
