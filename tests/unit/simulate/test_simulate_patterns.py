"""Simulated patterns: their place in the cell, their distinctness, and the lines and spots they consist of."""

import numpy as np
import pytest

from puzzlecell.simulate import patterns as hpa
from puzzlecell.simulate.cells import divide, grow_cells
from puzzlecell.simulate.drawing import dots, points_in
from puzzlecell.simulate.patterns import Stage, draw_filaments, draw_pattern, draw_reticulum
from puzzlecell.simulate.textures import make_textures, smooth_noise


@pytest.fixture(scope="module")
def stages() -> list[Stage]:
    """Whole cells of a few full-size fields, with everything that a pattern needs."""
    found = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        textures = make_textures(rng, 256, 1.0)
        for cell in grow_cells(rng, 256, 8, coverage=1.15, smallest=0.6, stretch=1.3):
            cut = type(textures)(**{name: image[cell.window] for name, image in vars(textures).items()})
            found.append(Stage(cell, cut, draw_filaments(cell, rng), draw_reticulum(cell, cut)))
    return found


def test_a_dividing_cell_is_round_with_a_plate_between_two_poles(stages):
    for stage in stages:
        cell = stage.cell
        halved = divide(cell, np.random.default_rng(0))
        assert halved.body[~cell.body].sum() == 0
        assert 0 < halved.body.sum() <= cell.body.sum()
        assert 0.05 < halved.nucleus.sum() / cell.nucleus.sum() < 0.8
        assert halved.centrosomes.shape == (2, 2)
        across = np.subtract(*halved.centrosomes)
        rows, columns = np.nonzero(halved.nucleus)
        spread = np.cov(np.array([rows, columns]))
        along = np.linalg.eigh(spread)[1][:, 1]
        assert abs(across @ along) < 0.35 * np.linalg.norm(across)


@pytest.mark.parametrize("pattern", range(18))
def test_a_pattern_stays_in_its_cell_and_peaks_near_one(stages, pattern):
    for stage in stages:
        image = draw_pattern(pattern, stage, np.random.default_rng(1))
        assert image.dtype == np.float32
        assert np.isfinite(image).all()
        assert image.min() >= 0
        assert not image[~stage.cell.body].any()
        assert 0.4 < image.max() < 2.3


@pytest.mark.parametrize(
    ("pattern", "place"),
    [
        (hpa.NUCLEOPLASM, lambda c: c.nucleus),
        (hpa.NUCLEAR_MEMBRANE, lambda c: np.abs(c.nucleus_distance) < 3),
        (hpa.NUCLEOLI, lambda c: c.nucleoli > 0),
        (hpa.FIBRILLAR_CENTER, lambda c: c.nucleus),
        (hpa.NUCLEAR_SPECKLES, lambda c: c.nucleus),
        (hpa.NUCLEAR_BODIES, lambda c: c.nucleus),
        (hpa.ENDOPLASMIC_RETICULUM, lambda c: c.cytoplasm),
        (hpa.GOLGI, lambda c: c.cytoplasm & (c.nucleus_distance < 16)),
        (hpa.PLASMA_MEMBRANE, lambda c: c.body & (c.depth < 5)),
        (hpa.MITOCHONDRIA, lambda c: c.cytoplasm),
        (hpa.CYTOSOL, lambda c: c.cytoplasm),
        (hpa.VESICLES, lambda c: c.cytoplasm),
    ],
)
def test_a_pattern_is_brightest_where_it_belongs(stages, pattern, place):
    for stage in stages:
        image = draw_pattern(pattern, stage, np.random.default_rng(1))
        inside = place(stage.cell) & stage.cell.body
        bright = image > 0.6 * image.max()
        assert (bright & inside).sum() > 0.85 * bright.sum()


def test_microtubules_and_reticulum_follow_their_reference_channels(stages):
    for stage in stages:
        rng = np.random.default_rng(1)
        for pattern, reference in ((10, stage.filaments), (6, stage.reticulum)):
            image = draw_pattern(pattern, stage, rng)
            assert np.corrcoef(image[stage.cell.body], reference[stage.cell.body])[0, 1] > 0.99


def test_fibrillar_centers_lie_in_nucleoli_and_bodies_do_not(stages):
    for stage in stages:
        spots = draw_pattern(hpa.FIBRILLAR_CENTER, stage, np.random.default_rng(1))
        bodies = draw_pattern(hpa.NUCLEAR_BODIES, stage, np.random.default_rng(1))
        assert stage.cell.nucleoli[spots > 0.9 * spots.max()].mean() > 0.6
        assert stage.cell.nucleoli[bodies > 0.9 * bodies.max()].mean() < 0.3


def test_no_two_patterns_of_a_cell_look_alike(stages):
    # Drawn twice with different random numbers, a spot pattern need not match itself; but no pair may match well.
    for stage in stages[:6]:
        images = np.array(
            [draw_pattern(p, stage, np.random.default_rng(p))[stage.cell.body] for p in range(18)]
        )
        likeness = np.corrcoef(np.delete(images, hpa.SPINDLE, axis=0)) - np.eye(17)
        assert likeness.max() < 0.9


def test_points_lie_in_the_mask_and_keep_their_distance():
    mask = np.zeros((40, 50), bool)
    mask[10:30, 20:45] = True
    points = points_in(np.random.default_rng(0), mask, 12, 4.0)
    assert 5 < len(points) <= 12
    assert mask[tuple(np.round(points).astype(int).T)].all()
    gaps = np.linalg.norm(points[:, None] - points[None], axis=2) + 99 * np.eye(len(points))
    assert gaps.min() >= 4


def test_an_empty_mask_has_no_points():
    assert points_in(np.random.default_rng(0), np.zeros((5, 5), bool), 3).shape == (0, 2)


def test_dots_equal_a_plain_sum_over_all_pixels():
    points, radii = np.array([[0.3, 4.8], [9.6, 7.2]]), np.array([1.5, 2.0])
    rows, columns = np.mgrid[:12, :14]
    plain = np.zeros((12, 14))
    for (y, x), radius in zip(points, radii, strict=True):
        plain = np.maximum(plain, np.exp(-((((rows - y) ** 2 + (columns - x) ** 2) / radius**2) ** 2)))
    # Spots end at 1.6 radii from their centre, where exp(-1.6**4) is 0.0014.
    np.testing.assert_allclose(dots((12, 14), points, radii), plain, atol=0.0015)


def test_smooth_noise_has_the_requested_width_and_smoothness():
    for size, sigma in ((64, 0.8), (100, 3.0), (257, 20.0)):
        noise = smooth_noise(np.random.default_rng(0), size, sigma)
        assert noise.shape == (size, size)
        assert noise.dtype == np.float32
        steps = np.diff(noise, axis=0).std()
        # Gaussian-blurred white noise: the variance of a step is 2 (1 - exp(-1 / (4 sigma^2))).
        assert steps == pytest.approx(np.sqrt(2 * (1 - np.exp(-1 / (4 * sigma**2)))), rel=0.35)
