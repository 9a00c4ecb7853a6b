"""Distributions of aspects and their calibration."""

import numpy as np
import pandas as pd
import pytest
from sklearn.covariance import OAS

from puzzlecell.domain_shift.features import Described
from puzzlecell.domain_shift.look import fit_aspects, part_of_groups, upper_quantile
from puzzlecell.domain_shift.normal import fit


@pytest.mark.parametrize(("rows", "values"), [(300, 5), (50, 20), (60, 200)])
def test_the_distance_is_that_of_the_whole_covariance(rows, values):
    """Fewer rows than components lose nothing: all further directions have the same variance."""
    random = np.random.default_rng(rows)
    train = random.normal(size=(rows, values)) * random.uniform(0.1, 3, values)
    seen = random.normal(size=(7, values))
    oas = OAS().fit(train)
    expected = np.sqrt(oas.mahalanobis(seen) / values)
    np.testing.assert_allclose(fit(train, 1e-4).distance(seen), expected, rtol=1e-6)


def test_constant_values_have_a_finite_distance_and_unknown_ones_none():
    train = np.concatenate([np.ones((30, 2)), [[np.nan, 1]]])
    distance = fit(train, 1e-4).distance(np.array([[1, 1], [1.1, 1], [np.nan, 1]]))
    assert distance[0] == 0
    assert 100 < distance[1] < 1e4
    assert np.isnan(distance[2])
    with pytest.raises(ValueError, match="no row"):
        fit(np.full((3, 2), np.nan), 1e-4)


@pytest.mark.parametrize(
    ("count", "level", "expected"), [(199, 0.99, 198), (99, 0.99, 99), (20, 0.99, 20), (9, 0.5, 5)]
)
def test_the_quantile_counts_the_value_that_is_still_to_come(count, level, expected):
    values = np.append(np.random.default_rng(0).permutation(np.arange(1, count + 1)), np.nan)
    assert upper_quantile(values, level) == expected


def test_groups_stay_together_in_parts_of_about_equal_size():
    groups = [f"g{number}" for number in range(12) for _ in range(number + 1)]
    parts = part_of_groups(groups)
    assert all(len(set(found)) == 1 for _, found in pd.Series(parts).groupby(groups))
    sizes = np.bincount(parts)
    assert len(sizes) == 5
    assert sizes.max() - sizes.min() <= 2
    assert sorted(part_of_groups(["a", "b", "a"])) == [0, 0, 1]


def described(random, rows, shift=0.0):
    aspects = {
        "features": random.normal(size=(rows, 40)) + shift,
        "red": random.normal(size=(rows, 6)),
        "cell_size": np.where(random.random((rows, 1)) < 0.1, np.nan, random.normal(size=(rows, 1))),
        "nucleus_size": np.full((rows, 1), np.nan),
    }
    return Described(pd.DataFrame({"ID": [str(row) for row in range(rows)]}), aspects)


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_unseen_rows_are_beyond_the_limits_as_often_as_stated(level):
    random = np.random.default_rng(1)
    beyond = []
    for _ in range(12):
        train, new = described(random, 200), described(random, 500)
        aspects, seen = fit_aspects(train, np.arange(200) % 5, level)
        assert set(aspects) == {"features", "red", "cell_size"}, (
            "an aspect that is always unknown is left out"
        )
        assert (seen > 1).mean() == pytest.approx(1 - level, abs=0.01)
        ratio = {name: a.normal.distance(new.aspects[name]) / a.limit for name, a in aspects.items()}
        beyond.append((np.nanmax(list(ratio.values()), axis=0) > 1).mean())
    # The spread over 12 x 500 rows and 12 calibrations of 200 is about 0.01.
    assert np.mean(beyond) == pytest.approx(1 - level, abs=0.03)


def test_typical_values_and_limits_of_nearly_constant_training_fields():
    random = np.random.default_rng(2)
    train = described(random, 100)
    train.aspects["red"] = np.full((100, 6), 3.0)
    aspects, seen = fit_aspects(train, np.arange(100) % 5, 0.95)
    assert aspects["red"].limit >= 1
    assert np.isfinite(seen).all()
    np.testing.assert_array_equal(aspects["red"].typical, np.full((3, 6), 3.0))
    low, middle, high = aspects["features"].typical
    assert (low < middle).all() and (middle < high).all()
