"""Error rates of calls, and the test whether a group of cells differs more than these errors alone would make it."""

import numpy as np
import pytest

from puzzlecell.scoring.error_rates import (
    ErrorRates,
    Rate,
    all_or_none,
    discoveries,
    error_rates,
    intraclass_correlation,
    measured_rate,
)


@pytest.mark.parametrize(
    ("hits", "cells", "expected"),
    [
        ([4, 0], [4, 4], 1.0),
        # Between the fields 0.5, within them 0.25, of four cells each: (0.5 - 0.25) / (0.5 + 3 x 0.25).
        ([3, 1], [4, 4], 0.2),
        ([2, 2], [4, 4], 0.0),
        ([1, 0, 1], [1, 1, 1], 0.0),
        ([3], [4], 0.0),
        ([4, 4], [4, 4], 0.0),
    ],
)
def test_correlation_within_fields(hits, cells, expected):
    assert intraclass_correlation(np.array(hits), np.array(cells)) == pytest.approx(expected)


def test_a_rate_without_correlation_is_that_of_jeffreys():
    rate = measured_rate(np.arange(10) < 8, np.arange(10))
    assert (rate.a, rate.b, rate.cells, rate.fields) == (pytest.approx(8.5), pytest.approx(2.5), 10, 10)


def test_a_rate_that_differs_between_fields_has_the_variance_of_both():
    """r = 0.2 and 8 cells in fields of 4, which count as 8 / 1.6 = 5: variance / (m (1 - m)) = 0.2 + 0.8 / 7."""
    called = np.array([True, True, True, False, True, False, False, False])
    rate = measured_rate(called, np.repeat(["a", "b"], 4))
    assert rate.correlation == pytest.approx(0.2)
    assert rate.mean == pytest.approx(0.5)
    assert 1 / (rate.a + rate.b + 1) == pytest.approx(0.2 + 0.8 / 7)


def test_false_calls_are_those_of_fields_without_the_class():
    fields = np.repeat(["a", "b", "c", "d"], 3)
    truth = np.array([[1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, np.nan]], float).T
    called = np.array([[1, 0, 1, 1, 1, 1, 0, 1, 0, 0, 0, 1]], bool).T
    (found,) = error_rates(called, truth, fields, least=3)
    assert (found.sensitivity.cells, found.sensitivity.fields) == (3, 2)
    # One of five in c and d; not the cells of a and b that show nothing, nor the one that is not known.
    assert (found.false_calls.cells, found.false_calls.fields) == (5, 2)
    assert error_rates(called, truth, fields, least=4) == [None]
    assert error_rates(called[6:], truth[6:], fields[6:], least=0) == [None]


def test_p_values_worked_by_hand():
    """Of two cells, beta(2, 1) gives 0, 1, 2 calls with 1/6, 1/3, 1/2, and beta(1, 2) the other way round."""
    rates = ErrorRates(Rate(2, 1, 0, 0, 0), Rate(1, 2, 0, 0, 0))
    found = all_or_none(np.array([0, 1, 2]), np.array([2, 2, 2]), rates)
    np.testing.assert_allclose(found, [1, 0.5, 1])


def test_groups_that_are_all_or_none_are_rarely_said_to_vary_and_mixed_ones_often():
    random = np.random.default_rng(1)
    shows = np.repeat(random.random(400) < 0.5, 20)
    fields = np.repeat(np.arange(400), 20)
    rate_of_field = np.where(random.random(400) < 0.5, 0.75, 0.95)
    called = np.where(shows, random.random(8000) < rate_of_field[fields], random.random(8000) < 0.05)
    (rates,) = error_rates(called[:, None], shows[:, None].astype(float), fields, least=20)
    p_values = all_or_none(np.bincount(fields, called).astype(int), np.full(400, 20), rates)
    assert not discoveries(p_values, 0.05, tests=400).any()
    assert (p_values < 0.05).mean() < 0.05
    mixed = random.binomial(10, 0.85, 400) + random.binomial(10, 0.05, 400)
    assert (all_or_none(mixed, np.full(400, 20), rates) < 0.05).mean() > 0.5


@pytest.mark.parametrize(
    ("p_values", "tests", "expected"),
    [
        # Limits 0.0125, 0.025, 0.0375, 0.05: the third is below its own, so the first two are discoveries too.
        ([0.03, 0.026, 0.9, 0.02], 4, [True, True, False, True]),
        ([0.03, 0.026, 0.02], 4, [True, True, True]),
        ([0.03, 0.026, 0.02], 5, [True, True, True]),
        ([0.03, 0.026, 0.02], 6, [False, False, False]),
        ([0.013, 0.9, 0.9, 0.9], 4, [False, False, False, False]),
        ([], 0, []),
    ],
)
def test_discoveries(p_values, tests, expected):
    assert discoveries(np.array(p_values), 0.05, tests=tests).tolist() == expected
