"""Fit the calibration of every class, and measure it on cells that it was not fitted on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from puzzlecell.calibration.curves import Curve, Unchanged, fit_isotonic, fit_platt
from puzzlecell.calibration.thresholds import choose
from puzzlecell.config.calibration import CalibrationSettings

METHODS = {"platt": fit_platt, "isotonic": fit_isotonic}
NONE = "none"
"""Method of a class that is left as it is."""


@dataclass(frozen=True)
class ClassCalibration:
    """Calibration of one class.

    method: `platt`, `isotonic` or `none`. cells, positives: numbers of cells whose class is known, and of those that
    show it. threshold: lowest calibrated probability at which it is called; None: never. note: why the class is not
    calibrated or not called.
    """

    method: str
    cells: int
    positives: int
    curve: Curve
    threshold: float | None
    note: str = ""


@dataclass(frozen=True)
class CrossFitted:
    """What each part of the cells gets from a calibration that was fitted on the other parts.

    values: (n, C) calibrated probabilities; NaN where the other parts cannot calibrate a class that all cells together
    can. called: (n, C) bool, calls of their thresholds.
    """

    values: np.ndarray
    called: np.ndarray


def fit_classes(
    values: np.ndarray, truth: np.ndarray, settings: CalibrationSettings
) -> list[ClassCalibration]:
    """Fit the calibration of each class. values: (n, C) probabilities; truth: (n, C) 1, 0, or NaN if not known."""
    return [
        fit_class(values[:, index], truth[:, index], settings, method_of(truth[:, index], settings))
        for index in range(values.shape[1])
    ]


def method_of(truth: np.ndarray, settings: CalibrationSettings) -> str:
    """How a class with this truth (n,) of its cells is calibrated."""
    rarer = min(int((truth == 1).sum()), int((truth == 0).sum()))
    if rarer < settings.least_cells:
        return NONE
    enough = settings.isotonic_from is not None and rarer >= settings.isotonic_from
    return "isotonic" if enough else "platt"


def fit_class(
    values: np.ndarray, truth: np.ndarray, settings: CalibrationSettings, method: str
) -> ClassCalibration:
    """Calibrate one class by a method. values, truth: (n,), NaN truth if it is not known."""
    known = ~np.isnan(truth)
    values, shows = values[known], truth[known] == 1
    cells, positives = len(shows), int(shows.sum())
    if method == NONE:
        return ClassCalibration(
            NONE, cells, positives, Unchanged(), None, few(cells, positives, settings.least_cells)
        )
    curve = METHODS[method](values, shows) if 0 < positives < cells else None
    if curve is None:
        note = "its probabilities do not rise with what the cells show"
        return ClassCalibration(NONE, cells, positives, Unchanged(), None, note)
    threshold = choose(curve(values), shows, settings.calls, least=settings.least_cells)
    note = (
        "" if threshold is not None else f"no threshold reaches a precision of {settings.calls.precision:g}"
    )
    return ClassCalibration(method, cells, positives, curve, threshold, note)


def few(cells: int, positives: int, least: int) -> str:
    """Why there are not enough cells to calibrate a class."""
    kind = "show" if positives < least else "do not show"
    found = positives if positives < least else cells - positives
    return f"{found} cells {kind} it; {least} are needed"


def cross_fit(
    values: np.ndarray,
    truth: np.ndarray,
    parts: np.ndarray,
    methods: Sequence[str],
    settings: CalibrationSettings,
) -> CrossFitted:
    """Calibrate the cells of each part with what the cells of all other parts give.

    parts: (n,) part of each cell, such as its fold. methods: that of each class, as all cells together give it; a class
    without one stays as it is and is not called.
    """
    calibrated = values.astype(np.float64)
    called = np.zeros(values.shape, bool)
    for index, method in enumerate(methods):
        if method == NONE:
            continue
        for part in np.unique(parts):
            inside = parts == part
            fitted = fit_class(values[~inside, index], truth[~inside, index], settings, method)
            usable = fitted.method != NONE
            calibrated[inside, index] = fitted.curve(values[inside, index]) if usable else np.nan
            if fitted.threshold is not None:
                called[inside, index] = calibrated[inside, index] >= fitted.threshold
    return CrossFitted(calibrated, called)


def call_quality(called: np.ndarray, truth: np.ndarray) -> tuple[float, float, float]:
    """Precision, recall and F1 of calls (n,) of one class; NaN where there is nothing to divide by."""
    known = ~np.isnan(truth)
    said, shows = called[known], truth[known] == 1
    hits, calls, positives = int((said & shows).sum()), int(said.sum()), int(shows.sum())
    return (
        hits / calls if calls else np.nan,
        hits / positives if positives else np.nan,
        2 * hits / (calls + positives) if calls + positives else np.nan,
    )


def described(calibrations: Sequence[ClassCalibration], names: Sequence[str]) -> str | None:
    """A sentence about the classes that are not calibrated or never called; None if there are none."""
    found = [
        f"{name} ({'' if of_class.method == NONE else 'calibrated, but '}{of_class.note})"
        for name, of_class in zip(names, calibrations, strict=True)
        if of_class.note
    ]
    return f"{len(found)} of {len(names)} classes are never called: {'; '.join(found)}" if found else None
