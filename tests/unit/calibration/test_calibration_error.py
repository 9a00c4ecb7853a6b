"""Reliability and expected calibration error."""

import numpy as np
import pytest

from puzzlecell.calibration.error import bin_of, reliability
from puzzlecell.config.score import ScoreSettings

SCORE = ScoreSettings(bootstrap=500)


def test_the_error_is_that_of_a_hand_worked_case():
    values = np.array([0.1, 0.1, 0.3, 0.6, 0.8, 0.9, 0.5])
    truth = np.array([0, 1, 0, 1, 1, 0, np.nan])
    found = reliability(values, truth, np.arange(7), bins=2, settings=ScoreSettings(bootstrap=0))
    assert found.bins.tolist() == [1, 2]
    # Three of the six known cells in each bin: |0.5/3 - 1/3| and |2.3/3 - 2/3|, with weight 1/2 each.
    assert found.cells.tolist() == [3, 3]
    np.testing.assert_allclose(found.predicted, [0.5 / 3, 2.3 / 3])
    np.testing.assert_allclose(found.observed, [1 / 3, 2 / 3])
    assert found.error == pytest.approx((0.5 / 3 + 0.3 / 3) / 2)
    assert np.isnan([found.error_low, found.error_high, *found.low]).all()


@pytest.mark.parametrize(
    ("values", "bins", "expected"),
    [
        ([0.0, 0.49, 0.5, 1.0], 2, [1, 1, 2, 2]),
        ([0.05, 0.15, 0.95, 1.0], 10, [1, 2, 10, 10]),
    ],
)
def test_bins_have_equal_width(values, bins, expected):
    assert bin_of(np.array(values), bins).tolist() == expected


def test_the_interval_is_that_of_fields_and_holds_the_true_error():
    random = np.random.default_rng(1)
    fields = np.repeat(np.arange(200), 10)
    values = random.uniform(0, 1, 2000)
    # All cells of a field show the class, or none does, so that 2000 cells say no more than about 200.
    shared = np.repeat(random.uniform(size=200), 10)
    truth = (shared < np.clip(values + 0.1, 0, 1)).astype(float)
    by_field = reliability(values, truth, fields, bins=10, settings=SCORE)
    by_cell = reliability(values, truth, np.arange(2000), bins=10, settings=SCORE)
    assert by_field.error_low < 0.095 < by_field.error_high
    assert by_field.high[0] - by_field.low[0] > by_cell.high[0] - by_cell.low[0]


def test_without_known_cells_there_is_no_error():
    found = reliability(np.array([0.5]), np.array([np.nan]), np.array([0]), bins=5, settings=SCORE)
    assert np.isnan(found.error)
    assert not len(found.cells)
