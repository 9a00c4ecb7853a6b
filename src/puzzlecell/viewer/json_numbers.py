"""Numbers of tables as JSON can hold them."""

import math

import numpy as np


def number(value: object, digits: int = 6) -> float | None:
    """A value of a table as a finite number, rounded; None for one that is empty, not finite or no number."""
    try:
        found = float(str(value))
    except ValueError:
        return None
    return round(found, digits) if math.isfinite(found) else None


def rounded(values: np.ndarray, digits: int) -> list[list[float | None]]:
    """The rows of a table of numbers (n, k)."""
    return [[number(value, digits) for value in row] for row in values.tolist()]
