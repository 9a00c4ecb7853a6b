"""The classical segmenter on drawn fields: sizes, magnifications, touching nuclei, borders, every setting."""

import numpy as np
import pytest
from helpers.segmentation_data import CELL, drawn, grid, in_order, one_nucleus_each, segmented

from puzzlecell.config.segmenters import ClassicalSettings
from puzzlecell.segmentation.cell_growth import grow_cells
from puzzlecell.segmentation.classical import find_nuclei, split_at_necks
from puzzlecell.segmentation.cytoplasm import cytoplasm


@pytest.mark.parametrize(
    ("shape", "pixel_um"),
    [((256, 256), 0.64), ((1728, 1728), 0.08), ((3072, 3072), 0.08), ((300, 700), 0.32)],
)
def test_sizes_and_magnifications(shape, pixel_um):
    centres = grid(shape[0] * pixel_um, shape[1] * pixel_um)
    found = segmented(drawn(shape, centres, pixel_um), pixel_um)
    assert found.cells.shape == shape
    assert found.cells.max() == len(centres)
    in_order(found.cells, found.nuclei)
    one_nucleus_each(found.cells, found.nuclei)
    radius = np.sqrt(np.bincount(found.cells.ravel())[1:] / np.pi) * pixel_um
    assert np.abs(radius / CELL - 1).max() < 0.15
    for y, x in centres:
        assert found.nuclei[int(y / pixel_um), int(x / pixel_um)] > 0


def test_300_cells():
    centres = grid(490, 360)
    assert len(centres) == 300
    found = segmented(drawn((980, 720), centres, 0.5), 0.5)
    assert found.cells.max() == 300
    in_order(found.cells, found.nuclei)
    one_nucleus_each(found.cells, found.nuclei)


def test_uneven_background_and_brightness():
    centres = grid(160, 160)
    image = drawn((500, 500), centres, 0.32).astype(np.float32)
    slope = np.linspace(0, 1, 500, dtype=np.float32)[None, :, None]
    uneven = (image * (1 - 0.6 * slope) + 60 * slope).clip(0, 255).astype(np.uint8)
    found = segmented(uneven, 0.32)
    assert found.cells.max() == len(centres)
    in_order(found.cells, found.nuclei)
    one_nucleus_each(found.cells, found.nuclei)


def test_touching_nuclei_are_split_and_elongated_ones_are_not():
    pair = drawn((256, 256), [(40, 36.5), (40, 43.5)], 0.32)
    assert segmented(pair, 0.32, join_neck=1).cells.max() == 2
    assert segmented(pair, 0.32, neck=0.3).cells.max() == 1
    rows, columns = np.mgrid[:256, :256] * 0.32
    blue = np.where(np.hypot((rows - 40) / 4, (columns - 40) / 8) < 1, 0.7, 0.05).astype(np.float32)
    assert find_nuclei(blue, 0.32, ClassicalSettings()).max() == 1


@pytest.mark.parametrize(
    ("gap", "seam", "settings", "cells"),
    [
        (1.0, 1.0, {}, 1),
        (0.6, 1.0, {}, 2),
        (1.0, 0.5, {}, 2),
        (1.0, 1.0, {"join_neck": 0.8}, 2),
        (1.0, 1.0, {"join_gap": 0.0}, 2),
        (1.0, 1.0, {"join_seam": 1.5}, 2),
    ],
)
def test_split_nuclei_are_joined_where_nothing_shows_two_cells(gap, seam, settings, cells):
    pair = drawn((256, 256), [(40, 36.5), (40, 43.5)], 0.32)
    pair[:, 123:127, [0, 3]] = pair[:, 123:127, [0, 3]] * gap
    pair[:, 124:126, 2] = pair[:, 124:126, 2] * seam
    assert segmented(pair, 0.32, join_neck=1, nucleus_smoothing_um=0).nuclei.max() == 2
    assert segmented(pair, 0.32, nucleus_smoothing_um=0, **settings).nuclei.max() == cells


def test_necks_are_a_ratio():
    mask = np.zeros((60, 140), bool)
    rows, columns = np.ogrid[:60, :140]
    for x in (40, 90):
        mask |= np.hypot(rows - 30, columns - x) < 22
    mask[20:40, 40:90] = True  # half as wide as the discs
    assert split_at_necks(mask, 0.8).max() == 2
    assert split_at_necks(mask, 0.35).max() == 1
    double = np.repeat(np.repeat(mask, 2, 0), 2, 1)
    assert split_at_necks(double, 0.8).max() == 2
    assert split_at_necks(double, 0.35).max() == 1


def grown(stain, nuclei, **settings):
    """Cells grown over a stain that red and yellow show alike."""
    return grow_cells(cytoplasm(stain, stain, 0.5 / 0.32), nuclei, 0.32, ClassicalSettings(**settings))


def test_borders_follow_dark_gaps():
    """Two cells meet at a dark line that is closer to one of the nuclei."""
    red = np.full((100, 200), 0.6, np.float32)
    red[:, 60:64] = 0.2
    red[:8] = red[-8:] = red[:, :8] = red[:, -8:] = 0.02
    nuclei = np.zeros((100, 200), np.int32)
    nuclei[40:60, 25:45], nuclei[40:60, 140:160] = 1, 2
    cells = grown(red, nuclei)
    border = [np.flatnonzero(np.diff(row.astype(int)) > 0)[-1] for row in cells[20:80]]
    assert 57 <= min(border) <= max(border) <= 67
    straight = grown(red, nuclei, gap_weight=0, signal_weight=0)
    assert abs(np.flatnonzero(np.diff(straight[50].astype(int)) > 0)[-1] - 92) < 4


def test_a_part_cut_off_by_a_gap_at_the_field_border_is_another_cell():
    """A cell whose nucleus is in the field, and left of a dark line one whose nucleus is not."""
    red = np.full((100, 160), 0.6, np.float32)
    red[:, 50:54] = 0.2
    red[:8] = red[-8:] = red[:, -8:] = 0.02
    nuclei = np.zeros((100, 160), np.int32)
    nuclei[40:60, 90:110] = 1
    left = np.s_[20:80, :46]
    assert not grown(red, nuclei)[left].any()
    for settings in ({"outside_gap": 1.0}, {"outside_minimum_um2": 1000.0}):
        assert grown(red, nuclei, **settings)[left].all()
    whole = np.where(red == np.float32(0.2), np.float32(0.6), red)
    assert grown(whole, nuclei)[left].all()
    # A nucleus at the border itself is the cell's own.
    nuclei[40:60, :20] = 2
    assert (grown(red, nuclei)[left] == 2).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (5, 5)])
@pytest.mark.parametrize("value", [0, 200])
def test_tiny_and_flat_fields_have_no_cells(shape, value):
    found = segmented(np.full((*shape, 4), value, np.uint8), 0.32)
    assert found.cells.shape == found.nuclei.shape == shape
    assert not found.cells.any()
    assert "blue" in found.reason


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("pixel_um", 1.2),
        ("background_um", 3.0),
        ("nucleus_smoothing_um", 3.0),
        ("nucleus_contrast", 100.0),
        ("nucleus_minimum_um2", 1000.0),
        ("nucleus_rim", 0.9),
        ("nucleus_closing_um", 0.0),
        ("cell_smoothing_um", 4.0),
        ("cell_threshold", 1.4),
        ("own_threshold", 0.0),
        ("cell_reach_um", 1.0),
        ("ring_um", 9.0),
        ("border_smoothing_um", 5.0),
        ("signal_weight", 0.0),
        ("gap_um", 12.0),
        ("gap_weight", 0.0),
    ],
)
def test_every_setting_acts(setting, value):
    image = drawn((250, 250), [(20, 20), (28, 32), (60, 60), (50, 30)], 0.32, noise=9)
    image[:100, :80, [0, 3]] //= 2
    image[60:64, 70:110] = 20
    rows, columns = np.mgrid[:250, :250]
    image[(rows > 180) & (rows < 200) & (columns > 40) & (columns < 62), 2] = 150
    image[(rows > 186) & (rows < 190) & (columns > 40) & (columns < 52), 2] = 12
    image[(rows > 165) & (rows < 215) & (columns > 25) & (columns < 80), 0] = 100
    standard, changed = segmented(image, 0.32), segmented(image, 0.32, **{setting: value})
    assert not (
        np.array_equal(standard.cells, changed.cells) and np.array_equal(standard.nuclei, changed.nuclei)
    )
