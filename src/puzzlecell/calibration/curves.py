"""Calibration curves of one class: probability -> calibrated probability, which never falls as it rises."""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

SMALLEST = 1e-6
"""Probabilities are kept this far from 0 and 1 before their logit is taken."""
DIGITS = 6
"""Significant digits of the parameters, so that a curve read from a table is the one that was written."""


@dataclass(frozen=True)
class Unchanged:
    """Leaves probabilities as they are."""

    def __call__(self, values: np.ndarray) -> np.ndarray:
        return np.asarray(values, np.float64)


@dataclass(frozen=True)
class Platt:
    """1 / (1 + exp(-(slope x logit(p) + intercept))): Platt scaling of the log odds."""

    slope: float
    intercept: float

    def __call__(self, values: np.ndarray) -> np.ndarray:
        inside = np.clip(np.asarray(values, np.float64), SMALLEST, 1 - SMALLEST)
        return expit(self.slope * logit(inside) + self.intercept)


@dataclass(frozen=True)
class Isotonic:
    """Straight lines between knots, constant outside them. knots: pairs (probability, calibrated), ascending."""

    knots: tuple[tuple[float, float], ...]

    def __call__(self, values: np.ndarray) -> np.ndarray:
        places, heights = np.array(self.knots).T
        return np.interp(np.asarray(values, np.float64), places, heights)


Curve = Unchanged | Platt | Isotonic


def fit_platt(values: np.ndarray, shows: np.ndarray) -> Platt | None:
    """Fit Platt scaling to probabilities (n,) of cells that show the class or not (n,) bool; None if it does not rise.

    As Platt (1999), "Probabilistic outputs for support vector machines", the targets are not 1 and 0 but
    (N+ + 1) / (N+ + 2) and 1 / (N- + 2), so that the curve stays finite where the probabilities separate the cells.
    Logistic regression with these targets is one with each cell in both classes, weighted by target and 1 - target.
    """
    from sklearn.linear_model import LogisticRegression

    positives = int(shows.sum())
    target = np.where(shows, (positives + 1) / (positives + 2), 1 / (len(shows) - positives + 2))
    odds = logit(np.clip(values.astype(np.float64), SMALLEST, 1 - SMALLEST))
    if np.ptp(odds) == 0:
        # Equal values have no slope, but after centring, what rounding leaves of them would have a steep one.
        return None
    # Centred, which makes the fit well conditioned and takes nothing from it.
    middle = float(odds.mean())
    spread = float(odds.std())
    fitted = LogisticRegression(C=np.inf, tol=1e-8, max_iter=1000).fit(
        np.tile((odds - middle) / spread, 2)[:, None],
        np.repeat([1, 0], len(odds)),
        sample_weight=np.concatenate([target, 1 - target]),
    )
    slope = float(fitted.coef_[0, 0]) / spread
    intercept = float(fitted.intercept_[0]) - slope * middle
    return Platt(rounded(slope), rounded(intercept)) if rounded(slope) > 0 else None


def fit_isotonic(values: np.ndarray, shows: np.ndarray) -> Isotonic | None:
    """Fit isotonic regression (Zadrozny and Elkan, 2002) to probabilities (n,); None if it is constant."""
    from sklearn.isotonic import IsotonicRegression

    fitted = IsotonicRegression(y_min=0, y_max=1).fit(values.astype(np.float64), shows.astype(np.float64))
    knots: dict[float, float] = {}
    for place, height in zip(fitted.X_thresholds_, fitted.y_thresholds_, strict=True):
        # Of knots that are equal after rounding, the last one counts.
        knots[rounded(place)] = rounded(height)
    return Isotonic(tuple(knots.items())) if len(set(knots.values())) > 1 else None


def rounded(value: float) -> float:
    """A number with `DIGITS` significant digits."""
    return float(f"{value:.{DIGITS}g}")
