"""Crops of a fixed physical size, against hand computations."""

import numpy as np
import pytest

from puzzlecell.data.cell_crops import numbered_boxes
from puzzlecell.data.physical_crops import physical_crop, scaled_channels


@pytest.fixture
def field():
    """A field of 12 x 12 pixels whose values name their place, and two cells in a label image of half its side."""
    image = np.zeros((12, 12, 4), np.uint16)
    image[..., 0] = 100 * np.arange(12)[:, None] + np.arange(12)
    image[..., 1] = 7
    labels = np.zeros((6, 6), np.uint16)
    labels[0:2, 0:2] = 1
    labels[2:4, 2:5] = 4
    return image, labels, dict(numbered_boxes(labels))


def test_a_crop_has_the_cell_in_its_centre_and_black_outside_the_field(field):
    image, labels, boxes = field
    # The box of cell 1 is rows and columns 0 to 4 of the image, so its centre is at 2, 2.
    crop = physical_crop(image, labels, 1, boxes[1], crop=(8, 8), size=8)
    expected = np.zeros((8, 8))
    expected[2:, 2:] = image[:6, :6, 0]
    np.testing.assert_array_equal(crop[..., 0], expected)
    assert crop.dtype == np.float32
    assert (crop[:2, :, 1] == 0).all()
    assert (crop[2:, 2:, 1] == 7).all()


@pytest.mark.parametrize(
    ("mask", "kept"),
    [("none", {0, 1, 4}), ("others", {0, 4}), ("outside", {4})],
)
def test_other_cells_or_all_outside_are_hidden(field, mask, kept):
    image, labels, boxes = field
    # Box: rows 4 to 8, columns 4 to 10 of the image, centre 6, 7.
    crop = physical_crop(image, labels, 4, boxes[4], crop=(10, 10), size=10, mask=mask)
    owners = np.kron(labels, np.ones((2, 2), int))[1:11, 2:12]
    expected = np.where(np.isin(owners, list(kept)), 7, 0)
    np.testing.assert_array_equal(crop[..., 1], expected)


@pytest.mark.parametrize(("side", "size"), [(8, 4), (4, 8), (6.4, 16)])
def test_the_size_is_that_of_the_network_whatever_the_pixel(field, side, size):
    image, labels, boxes = field
    crop = physical_crop(image, labels, 4, boxes[4], crop=(side, side), size=size)
    assert crop.shape == (size, size, 4)
    if (side, size) == (8, 4):
        # Means of 2 x 2 pixels of the rows 2 to 10 and columns 3 to 11.
        np.testing.assert_allclose(crop[..., 0], image[2:10, 3:11, 0].reshape(4, 2, 4, 2).mean(axis=(1, 3)))


def test_fields_that_are_not_square_keep_the_physical_shape():
    # 0.1 micrometres a pixel along rows, 0.2 along columns, as of a stored square of a field twice as wide.
    image = np.zeros((40, 40, 4), np.uint8)
    image[10:30, 15:25, 2] = 200
    labels = np.zeros((40, 40), np.uint16)
    labels[10:30, 15:25] = 1
    crop = physical_crop(image, labels, 1, (slice(10, 30), slice(15, 25)), crop=(20, 10), size=20)
    assert (crop[..., 2] == 200).all()


def test_channels_are_reordered_and_scaled():
    crop = np.zeros((2, 2, 4), np.float32)
    crop[..., 0], crop[..., 2], crop[..., 3] = [[0, 1], [2, 4]], 5, [[10, 20], [20, 20]]
    found = scaled_channels(crop, ("red", "yellow", "blue", "green"), "channel")
    np.testing.assert_allclose(found[0], [[0, 0.25], [0.5, 1]])
    np.testing.assert_allclose(found[1], [[0, 1], [1, 1]])
    assert (found[2:] == 0).all()
    found = scaled_channels(crop, ("red", "blue", "yellow"), "all")
    np.testing.assert_allclose(found[0], np.array([[0, 1], [2, 4]]) / 20)
    np.testing.assert_allclose(found[1], 0.25)
    np.testing.assert_allclose(found[2], [[0.5, 1], [1, 1]])
