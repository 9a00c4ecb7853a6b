"""Thresholds of the calls of one class."""

import numpy as np

from puzzlecell.calibration.curves import rounded
from puzzlecell.config.calibration import CallSettings


def choose(values: np.ndarray, shows: np.ndarray, settings: CallSettings, *, least: int) -> float | None:
    """Lowest probability at which a class is called, by F1 or by precision; None if none has the stated precision.

    values: (n,) calibrated probabilities; shows: (n,) bool. Candidates lie halfway between neighbouring values. Among
    those equally good by F1, the highest counts. By precision, the lowest counts, of those with at least `least` calls:
    fewer say little about a precision.
    """
    order = np.argsort(-values, kind="stable")
    falling, hits = values[order], np.cumsum(shows[order])
    calls = np.arange(1, len(values) + 1)
    # Cells with equal probabilities are called together.
    last = np.append(np.flatnonzero(np.diff(falling)), len(falling) - 1)
    halfway = np.append((falling[last[:-1]] + falling[last[1:]]) / 2, falling[-1] / 2)
    hits, calls = hits[last], calls[last]
    if settings.by == "f1":
        return rounded(halfway[int(np.argmax(2 * hits / (calls + shows.sum())))])
    good = np.flatnonzero((hits / calls >= settings.precision) & (calls >= least))
    return rounded(halfway[good[-1]]) if len(good) else None
