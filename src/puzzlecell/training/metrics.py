"""Validation metrics of held-out fields or cells: average precision and F1."""

import math

import numpy as np
from sklearn.metrics import average_precision_score

THRESHOLD = 0.5


def validation_metrics(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """Return `map`, `f1_samples`, `f1_macro` and `ap00`, `ap01`, ... of fields; labels, probabilities: (N, C).

    A soft label counts as present, and a class as predicted, from 0.5. A class absent from all fields has no average
    precision (NaN) and is excluded from the means over classes. F1 is 0 if there is neither a label nor a prediction.
    The rows may be cells, whose labels may be NaN: that class does not count for that cell.
    """
    counted = ~np.isnan(labels)
    truth = labels >= THRESHOLD
    found = (probabilities >= THRESHOLD) & counted
    present = np.asarray(truth.any(axis=0))
    precision = [
        float(average_precision_score(truth[rows, number], probabilities[rows, number]))
        if there
        else math.nan
        for number, (there, rows) in enumerate(zip(present, counted.T, strict=True))
    ]
    return {
        "map": mean([value for value in precision if not math.isnan(value)]),
        "f1_samples": mean(f1(truth, found, axis=1)),
        "f1_macro": mean(f1(truth, found, axis=0)[present]),
        **{f"ap{number:02d}": value for number, value in enumerate(precision)},
    }


def f1(truth: np.ndarray, found: np.ndarray, axis: int) -> np.ndarray:
    """Return F1 along an axis of two boolean arrays: 2 TP / (2 TP + FP + FN), or 0 for 0 / 0."""
    hits = 2 * (truth & found).sum(axis)
    return hits / np.maximum(hits + (truth ^ found).sum(axis), 1)


def mean(values: list[float] | np.ndarray) -> float:
    """Return the mean, or NaN if there are no values."""
    return float(np.mean(values)) if len(values) else math.nan


def is_better(metric: str, value: float, best: float | None) -> bool:
    """Return whether `value` improves on `best`: lower for `loss`, higher for other metrics; NaN never does."""
    if math.isnan(value):
        return False
    return best is None or (value < best if metric == "loss" else value > best)
