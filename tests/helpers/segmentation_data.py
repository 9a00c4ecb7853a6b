"""Drawn fields of round cells, and invariants of label images, for the segmentation tests."""

import numpy as np
from skimage.measure import label

from puzzlecell.config.segmenters import ClassicalSettings
from puzzlecell.segmentation.base import FieldImage
from puzzlecell.segmentation.classical import ClassicalSegmenter

CELL, NUCLEUS = 8.0, 4.0


def drawn(shape, centres, pixel_um, *, cell_um=CELL, nucleus_um=NUCLEUS, noise=3.0, seed=0):
    """A uint8 field with round cells (radius in micrometres) around these centres (y, x in micrometres)."""
    field = np.full((*shape, 4), 12, np.float32)
    reach = int(1.5 * cell_um / pixel_um)
    for y, x in centres:
        row, column = int(y / pixel_um), int(x / pixel_um)
        window = np.s_[max(0, row - reach) : row + reach, max(0, column - reach) : column + reach]
        rows, columns = np.ogrid[window]
        distance = np.hypot(rows * pixel_um - y, columns * pixel_um - x).astype(np.float32)
        distance = distance[: shape[0] - window[0].start, : shape[1] - window[1].start]
        for channel, radius, height in ((0, cell_um, 120), (3, cell_um, 120), (2, nucleus_um, 150)):
            field[window][..., channel] += height / (1 + np.exp(3 * (distance - radius)))
    field += np.random.default_rng(seed).normal(0, noise, field.shape)
    return field.clip(0, 255).astype(np.uint8)


def grid(height_um, width_um, step=24.0):
    return [
        (y, x)
        for y in np.arange(step / 2, height_um - step / 3, step)
        for x in np.arange(step / 2, width_um - step / 3, step)
    ]


def segmented(image, size_um, **settings):
    return ClassicalSegmenter(ClassicalSettings(**settings)).segment([FieldImage("f", image, size_um)])[0]


def two_discs(height=400, width=400, scale=1.0):
    """A uint8 field of two round cells with nuclei."""
    rows, columns = np.mgrid[:height, :width]
    field = np.zeros((height, width, 4), np.uint8)
    for x in (width // 4, 3 * width // 4):
        distance = np.hypot(rows - height // 2, columns - x)
        field[distance < 80 * scale, 0] = field[distance < 80 * scale, 3] = 200
        field[distance < 40 * scale, 2] = 250
    return field


def in_order(cells, nuclei):
    """Assert consecutive numbers with background 0, connected cells, and nuclei inside their cells."""
    assert cells.dtype == nuclei.dtype == np.uint16
    assert cells.shape == nuclei.shape
    assert np.array_equal(np.unique(cells[cells > 0]), np.arange(1, cells.max() + 1))
    assert label(cells, connectivity=2).max() == cells.max()
    assert (cells[nuclei > 0] == nuclei[nuclei > 0]).all()


def one_nucleus_each(cells, nuclei):
    """Assert that every cell has a nucleus."""
    assert set(np.unique(nuclei)) == set(np.unique(cells))
