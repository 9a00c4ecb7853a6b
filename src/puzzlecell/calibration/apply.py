"""Calibrated probabilities and calls, as columns of the table of cells."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from puzzlecell.calibration.curves import Curve, Isotonic, Platt, Unchanged
from puzzlecell.config.calibration import BETWEEN_CALLS, UNCERTAIN
from puzzlecell.data.calibration_table import Row
from puzzlecell.data.tables import class_columns

CALLS = "calls"
"""Column with the names of the classes that are called for a cell."""


def curve_of(row: Row) -> Curve:
    """The curve that a row of the table describes."""
    if row.method == "platt":
        return Platt(row.slope or 0.0, row.intercept or 0.0)
    return Isotonic(row.knots) if row.method == "isotonic" else Unchanged()


def calibrated_columns(classes: int) -> list[str]:
    """Names of the columns of calibrated probabilities: c00, c01, ..."""
    return [f"c{number:02d}" for number in range(classes)]


def with_calls(answer: pd.DataFrame, rows: Sequence[Row], names: Sequence[str]) -> pd.DataFrame:
    """Add the columns `c00 ...` (float32) and `calls` (text) to a table of cells with `p00 ...`.

    rows: calibration of each class. Calls are the names of the classes whose calibrated probability reaches the
    threshold, in the order of the class table with `|` between them; `uncertain` if there is none.
    """
    values = answer[class_columns(answer)].to_numpy(np.float64)
    calibrated = np.stack([curve_of(row)(values[:, index]) for index, row in enumerate(rows)], axis=1)
    limits = [np.inf if row.threshold is None else row.threshold for row in rows]
    found = answer.copy()
    found[calibrated_columns(len(rows))] = calibrated.astype(np.float32)
    found[CALLS] = calls(calibrated >= limits, names)
    found.attrs = answer.attrs
    return found


def calls(called: np.ndarray, names: Sequence[str]) -> list[str]:
    """Names of the called classes of each cell. called: (n, C) bool."""
    texts = [
        BETWEEN_CALLS.join(name for name, said in zip(names, row, strict=True) if said)
        for row in called.tolist()
    ]
    return [text or UNCERTAIN for text in texts]
