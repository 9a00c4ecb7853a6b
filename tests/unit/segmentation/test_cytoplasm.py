"""The signal and the thresholds of the cytoplasm against plain versions, and in channels of unlike use."""

import numpy as np
import pytest
from helpers.segmentation_data import drawn, segmented
from skimage.filters import threshold_otsu

from puzzlecell.segmentation.cytoplasm import NOISE, cell_thresholds, otsu_of_labels, separability

PIXEL_UM = 0.32


def test_thresholds_of_labels_divide_each_label_in_its_two_classes():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(5), 400).reshape(40, 50)
    levels = np.array([(0.1, 0.3), (0.2, 0.9), (0.4, 0.7), (0.5, 0.5), (0.1, 0.3)])
    bright = rng.integers(0, 2, labels.shape)
    values = (levels[labels, bright] + (labels != 3) * rng.normal(0, 0.02, labels.shape)).clip(0, 1)
    found = otsu_of_labels(values, labels)
    for number in (0, 1, 2, 4):
        inside = labels == number
        np.testing.assert_array_equal(values[inside] > found[number], bright[inside] == 1)
        assert abs(found[number] - threshold_otsu(values[inside])) < np.ptp(levels[number]) / 2
    assert found[3] == 0


def test_a_threshold_follows_a_dim_cell_down_and_no_cell_up():
    labels = np.repeat([1, 2], 200).reshape(20, 20)
    signal = np.where(np.arange(20) < 10, 0.0, np.where(labels == 1, 0.2, 0.8)).astype(np.float32)
    field, *cells = cell_thresholds(signal, labels, 0.0)
    assert cells == [field, field]
    _, dim, bright = cell_thresholds(signal, labels, 1.0)
    assert dim == pytest.approx(0.1, abs=0.01)
    assert bright <= field
    assert cell_thresholds(signal, labels, 0.5)[1] == pytest.approx(np.sqrt(dim * field))
    # A field of one bright cell without background and a dark rest: the cell is not divided.
    signal[labels == 2] = 0.9
    signal[15:, :10] = 0.6
    field, _, bright = cell_thresholds(signal, labels, 1.0)
    assert bright == field < 0.6


def test_noise_does_not_exceed_the_separability_of_noise():
    rng = np.random.default_rng(1)
    noise = rng.normal(0.5, 0.1, (300, 300)).clip(0, 1)
    assert separability(noise) == pytest.approx(NOISE, rel=0.02)
    assert separability(np.where(rng.random(noise.shape) < 0.3, noise, noise / 3)) > 2 * NOISE


@pytest.mark.parametrize("channel", [0, 3])
def test_a_channel_without_a_stain_does_not_blur_the_cells(channel):
    image = drawn((250, 250), [(20, 20), (28, 45), (60, 60), (50, 30)], PIXEL_UM)
    both = segmented(image, PIXEL_UM).cells
    image[..., channel] = np.random.default_rng(2).normal(12, 3, image.shape[:2]).clip(0, 255)
    one = segmented(image, PIXEL_UM).cells
    for number in range(1, 5):
        same = (both == number) & (one == number)
        assert same.sum() > 0.9 * ((both == number) | (one == number)).sum()
