import numpy as np
import pytest
from pooled import pooled_scores
from scipy.special import expit


@pytest.mark.parametrize("size", [(24, 24), (50, 37), (3, 3), (4, 6)])
def test_each_cell_has_the_mean_of_the_map_under_it(size):
    random = np.random.default_rng(0)
    maps = random.normal(size=(5, 4, 6)).astype(np.float32)
    labels = random.choice([0, 2, 3, 9], size).astype(np.uint16)
    rows, columns = ((np.arange(n) + 0.5) * m // n for n, m in zip(size, (4, 6), strict=True))
    enlarged = maps[:, rows.astype(int)[:, None], columns.astype(int)]
    expected = [expit(enlarged[:, labels == number].mean(axis=1, dtype=float)) for number in (2, 3, 9)]
    np.testing.assert_allclose(pooled_scores(maps, labels), expected, rtol=1e-6)


def test_a_field_without_cells_has_no_scores():
    assert pooled_scores(np.zeros((5, 4, 4), np.float32), np.zeros((8, 8), np.uint16)).shape == (0, 5)


def test_maps_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="not finite"):
        pooled_scores(np.full((1, 2, 2), np.nan, np.float32), np.ones((4, 4), np.uint16))
