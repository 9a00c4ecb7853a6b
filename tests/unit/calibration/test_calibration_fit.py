"""Calibration curves, thresholds and cross-fitting."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit, logit

from puzzlecell.calibration.curves import Isotonic, Platt, fit_isotonic, fit_platt
from puzzlecell.calibration.fit import call_quality, cross_fit, fit_classes
from puzzlecell.calibration.thresholds import choose
from puzzlecell.config.calibration import CalibrationSettings, CallSettings

FEW = CalibrationSettings(least_cells=2, isotonic_from=None)


def draw(cells, slope, intercept, seed=0):
    """Probabilities, and what cells show if the truth is expit(slope x logit(p) + intercept)."""
    random = np.random.default_rng(seed)
    values = random.uniform(0.01, 0.99, cells)
    return values, random.uniform(size=cells) < expit(slope * logit(values) + intercept)


def test_platt_scaling_has_the_highest_likelihood_of_platts_targets():
    values, shows = draw(300, 0.5, -1)
    target = np.where(shows, (shows.sum() + 1) / (shows.sum() + 2), 1 / ((~shows).sum() + 2))

    def loss(parameters):
        score = parameters[0] * logit(values) + parameters[1]
        return (np.logaddexp(0, score) - target * score).sum()

    expected = minimize(loss, [1, 0], tol=1e-12).x
    found = fit_platt(values, shows)
    np.testing.assert_allclose([found.slope, found.intercept], expected, rtol=1e-3)
    assert abs(found.slope - 0.5) < 0.15
    np.testing.assert_allclose(found(np.array([0.5])), expit(found.intercept))
    assert np.isfinite(found(np.array([0.0, 1.0]))).all()


def test_platt_scaling_stays_finite_where_probabilities_separate_the_cells():
    values = np.array([0.1, 0.2, 0.8, 0.9])
    found = fit_platt(values, values > 0.5)
    # The targets are 3/4 and 1/4, which the curve comes near but does not pass by much.
    assert 0 < found.slope < 3
    assert 0.15 < found(values)[0] < 0.3


@pytest.mark.parametrize("fit", [fit_platt, fit_isotonic])
def test_a_curve_that_would_fall_is_none(fit):
    values = np.array([0.1, 0.2, 0.8, 0.9])
    assert fit(values, values < 0.5) is None


@pytest.mark.parametrize("fit", [fit_platt, fit_isotonic])
@pytest.mark.parametrize(("value", "cells"), [(0.0, 40), (0.12345, 40), (0.3, 41), (1.0, 40)])
def test_equal_values_have_no_curve(fit, value, cells):
    # What rounding leaves of them once their mean is taken away must not decide.
    assert fit(np.full(cells, value), np.arange(cells) % 3 == 0) is None


def test_isotonic_regression_pools_neighbours_that_fall():
    values = np.array([0.1, 0.2, 0.3, 0.4, 0.5])
    # 0 | 1 0 -> 1/2 each | 1 1
    found = fit_isotonic(values, np.array([False, True, False, True, True]))
    assert found == Isotonic(((0.1, 0.0), (0.2, 0.5), (0.3, 0.5), (0.4, 1.0), (0.5, 1.0)))
    np.testing.assert_allclose(found(np.array([0.0, 0.15, 0.25, 0.9])), [0, 0.25, 0.5, 1])


@pytest.mark.parametrize(
    ("settings", "least", "expected"),
    [
        # F1 of the calls above each: 1/2.5, 2/3, 4/7 at three calls, 3/4, ...
        ({"by": "f1"}, 1, 0.35),
        ({"by": "precision", "precision": 1}, 1, 0.75),
        ({"by": "precision", "precision": 0.75}, 1, 0.35),
        ({"by": "precision", "precision": 0.75}, 5, None),
        ({"by": "precision", "precision": 0.5}, 6, 0.05),
    ],
)
def test_thresholds_by_f1_and_by_precision(settings, least, expected):
    values = np.array([0.9, 0.8, 0.7, 0.4, 0.3, 0.1])
    shows = np.array([True, True, False, True, False, False])
    assert choose(values, shows, CallSettings(**settings), least=least) == expected


def test_cells_with_equal_probabilities_are_called_together():
    values, shows = np.array([0.6, 0.6, 0.6, 0.1]), np.array([True, False, True, False])
    assert choose(values, shows, CallSettings(by="precision", precision=1), least=1) is None
    assert choose(values, shows, CallSettings(), least=1) == 0.35


@pytest.mark.parametrize(
    ("isotonic_from", "truth", "method", "note"),
    [
        (None, [1, 1, 0, 0], "platt", ""),
        (2, [1, 1, 0, 0], "isotonic", ""),
        (3, [1, 1, 0, 0], "platt", ""),
        (None, [1, 0, 0, 0], "none", "1 cells show it; 2 are needed"),
        (None, [1, 1, 1, 0], "none", "1 cells do not show it; 2 are needed"),
        (None, [np.nan, np.nan, 0, 0], "none", "0 cells show it; 2 are needed"),
        (None, [0, 0, 1, 1], "none", "its probabilities do not rise with what the cells show"),
    ],
)
def test_method_of_a_class(isotonic_from, truth, method, note):
    settings = CalibrationSettings(least_cells=2, isotonic_from=isotonic_from)
    values, truth = np.array([[0.9], [0.8], [0.2], [0.1]]), np.array(truth, float)[:, None]
    (found,) = fit_classes(values, truth, settings)
    assert (found.method, found.note) == (method, note)
    assert found.cells == (~np.isnan(truth)).sum()
    assert (found.threshold is None) == (method == "none")
    if method == "none":
        np.testing.assert_array_equal(found.curve(values), values)


def test_a_part_is_calibrated_by_the_other_parts_alone():
    values, shows = draw(200, 1, 0)
    parts = np.arange(200) % 2 + 1
    truth = shows.astype(float)
    # In part 2, each cell shows the opposite of what it would, which must reach the curve of part 1 alone.
    truth[parts == 2] = 1 - truth[parts == 2]
    found = cross_fit(values[:, None], truth[:, None], parts, ["platt"], FEW)
    expected = fit_platt(values[parts == 1], shows[parts == 1])
    unchanged = cross_fit(values[:, None], truth[:, None], parts, ["none"], FEW)
    np.testing.assert_array_equal(unchanged.values[:, 0], values)
    np.testing.assert_allclose(found.values[parts == 2, 0], expected(values[parts == 2]))
    limit = choose(expected(values[parts == 1]), shows[parts == 1], FEW.calls, least=2)
    np.testing.assert_array_equal(found.called[parts == 2, 0], expected(values[parts == 2]) >= limit)
    # What part 2 shows falls with the probability, so it calibrates and calls nothing in part 1.
    assert np.isnan(found.values[parts == 1]).all()
    assert not found.called[parts == 1].any()


def test_quality_of_calls_counts_known_cells():
    called = np.array([True, True, False, True])
    assert call_quality(called, np.array([1, 0, 1, np.nan])) == (0.5, 0.5, 0.5)
    assert np.isnan(call_quality(called, np.full(4, np.nan))).all()


def test_platt_curves_are_those_of_their_parameters():
    assert Platt(2.0, 0.0)(np.array([0.8]))[0] == pytest.approx(0.8**2 / (0.8**2 + 0.2**2))
