import cv2
import labelling as plain
import numpy as np
import pytest
from helpers.segmentation_data import in_order
from scipy import ndimage
from skimage.measure import label
from skimage.segmentation import watershed

from puzzlecell.config.labelling import LabellingSettings, PublishedFaults
from puzzlecell.segmentation.hpa_labelling import label_cells
from puzzlecell.segmentation.watershed import flood, grow, split_flat

FULL = 0.08
ALL_FAULTS = PublishedFaults(**dict.fromkeys(PublishedFaults.model_fields, True))


def empty(height, width):
    return np.zeros((2, height, width, 3), np.uint8)


def disc(shape, y, x, radius):
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return np.hypot(rows - y, columns - x) < radius


def two_cells(border=200, gap=6):
    """Two touching cells of 100 x 200 pixels with a nucleus each, with a border of `gap` columns between them."""
    nuclei, cells = empty(220, 220)
    cells[10:210, 10:210, 2] = 250
    middle = slice(110 - gap // 2, 110 + gap // 2)
    cells[10:210, middle, 2] = 100
    cells[10:210, middle, 1] = border
    for x in (60, 160):
        nuclei[disc((220, 220), 110, x, 32), 2] = 250
    return nuclei, cells


def field(index, size, cells=16):
    (truth,) = plain.truths(None, index + 1, cells)[index:]
    return plain.probabilities(*truth, size, index)


@pytest.mark.parametrize("faults", [PublishedFaults(), ALL_FAULTS], ids=["mended", "published"])
@pytest.mark.parametrize(("index", "size"), [(0, 512), (1, 512), (2, 1000), (0, 256)])
def test_labels_equal_those_of_the_plain_version(index, size, faults):
    probabilities = field(index, size)
    settings = LabellingSettings(faults=faults)
    ours = label_cells(*probabilities, FULL * 2048 / size, settings)
    theirs = plain.plain_label_cells(*probabilities, FULL * 2048 / size, settings)
    assert ours[0].max() == theirs[0].max() > 10
    assert plain.worst_iou(ours[0], theirs[0]) >= 0.98
    assert plain.worst_iou(ours[1], theirs[1]) >= 0.98
    in_order(*ours)


def test_touching_cells_are_separated_and_nuclei_have_their_numbers():
    cells, nuclei = label_cells(*two_cells(), FULL, LabellingSettings())
    assert cells.max() == 2
    in_order(cells, nuclei)
    assert nuclei[110, 60] == cells[110, 30] != cells[110, 190] == nuclei[110, 160]
    assert abs((cells == 1).sum() / (cells == 2).sum() - 1) < 0.1


def test_more_than_255_cells():
    nuclei, cells = empty(1700, 1700)
    for y in range(17):
        for x in range(18):
            cells[100 * y + 8 : 100 * y + 92, 94 * x + 5 : 94 * x + 89, 2] = 250
            nuclei[100 * y + 20 : 100 * y + 80, 94 * x + 17 : 94 * x + 77, 2] = 250
    found, kernels = label_cells(nuclei, cells, FULL, LabellingSettings())
    assert found.max() == 306
    assert len(np.unique(kernels)) == 307
    in_order(found, kernels)
    wrapped = LabellingSettings(faults=PublishedFaults(cell_numbers_wrap=True))
    assert label_cells(nuclei, cells, FULL, wrapped)[0].max() == 305  # number 256 became background


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (64, 64), (100, 37)])
def test_empty_fields_have_no_cells(shape):
    for value in (0, 255):
        cells, nuclei = label_cells(*(np.full((*shape, 3), value, np.uint8),) * 2, FULL, LabellingSettings())
        assert cells.shape == nuclei.shape == shape
        assert cells.max() == nuclei.max() == 0


def test_non_square_fields():
    nuclei, cells = (np.pad(plane, ((0, 0), (0, 160), (0, 0))) for plane in two_cells())
    found, _ = label_cells(nuclei, cells, FULL, LabellingSettings())
    square, _ = label_cells(*two_cells(), FULL, LabellingSettings())
    assert np.array_equal(found[:, :220], square)
    assert not found[:, 220:].any()


def test_areas_and_radii_follow_the_pixel_size():
    nuclei, cells = two_cells()
    assert label_cells(nuclei, cells, FULL, LabellingSettings())[0].max() == 2
    # At 0.02 micrometres per pixel, the same image shows cells with a sixteenth of the area.
    assert label_cells(nuclei, cells, FULL / 4, LabellingSettings())[0].max() == 0
    small = [cv2.resize(plane, (110, 110), interpolation=cv2.INTER_AREA) for plane in (nuclei, cells)]
    assert label_cells(*small, 2 * FULL, LabellingSettings())[0].max() == 2
    assert label_cells(*small, FULL, LabellingSettings())[0].max() == 0


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("seed_threshold", 0.999),
        ("seed_minimum", 4000),
        ("nucleus_threshold", 0.99),
        ("nucleus_minimum", 4000),
        ("cell_threshold", 0.99),
        ("cell_minimum", 30000),
    ],
)
def test_thresholds_drop_cells(setting, value):
    assert label_cells(*two_cells(), FULL, LabellingSettings(**{setting: value}))[0].max() == 0


def test_border_threshold_decides_what_is_border():
    nuclei, cells = two_cells(border=40)
    strict, _ = label_cells(nuclei, cells, FULL, LabellingSettings(border_threshold=0.05))
    loose, _ = label_cells(nuclei, cells, FULL, LabellingSettings(border_threshold=0.5))
    assert strict.max() == loose.max() == 2
    assert not np.array_equal(strict > 0, loose > 0) or not np.array_equal(strict, loose)


def test_otsu_factor_raises_the_threshold():
    nuclei, cells = two_cells()
    cells[..., 2] = np.where(cells[..., 2] > 0, cells[..., 2], 0)
    cells[30:190, 10:40, 2] = 90
    low, _ = label_cells(nuclei, cells, FULL, LabellingSettings(otsu_factor=0))
    high, _ = label_cells(nuclei, cells, FULL, LabellingSettings(otsu_factor=1))
    assert (low > 0).sum() > (high > 0).sum() + 3000


def test_holes_and_specks_of_nuclei():
    nuclei, cells = two_cells()
    nuclei[disc((220, 220), 110, 60, 10), 2] = 0
    _, filled = label_cells(nuclei, cells, FULL, LabellingSettings())
    _, holed = label_cells(nuclei, cells, FULL, LabellingSettings(nucleus_hole=100))
    assert filled[110, 60] > 0
    assert holed[110, 60] == 0
    _, none = label_cells(nuclei, cells, FULL, LabellingSettings(nucleus_speck=5000))
    assert none.max() == 0


def test_gaps_of_cells_are_closed():
    nuclei, cells = two_cells()
    cells[60:64, 10:30, 2] = 0
    closed, _ = label_cells(nuclei, cells, FULL, LabellingSettings())
    open_, _ = label_cells(nuclei, cells, FULL, LabellingSettings(closing_radius=1))
    assert closed[61, 20] > 0
    assert open_[61, 20] == 0


def test_cells_without_a_nucleus_are_kept_or_dropped():
    nuclei, cells = two_cells()
    # A nucleus of 2,700 pixels, of which less than 2,500 lie inside its cell.
    nuclei[:, :105] = 0
    nuclei[disc((220, 220), 30, 60, 30), 2] = 250
    cells[:24, :105] = 0
    kept, kept_nuclei = label_cells(nuclei, cells, FULL, LabellingSettings())
    dropped, dropped_nuclei = label_cells(nuclei, cells, FULL, LabellingSettings(keep_without_nucleus=False))
    assert kept.max() == 2
    assert len(np.unique(kept_nuclei)) == 2
    assert dropped.max() == dropped_nuclei.max() == 1
    in_order(dropped, dropped_nuclei)


def test_the_final_opening_removes_thin_parts():
    nuclei, cells = two_cells()
    cells[150:152, 210:219, 2] = 250
    settings = {"closing_radius": 1, "border_threshold": 0.05}
    plain_cells, _ = label_cells(nuclei, cells, FULL, LabellingSettings(**settings))
    finished, finished_nuclei = label_cells(
        nuclei, cells, FULL, LabellingSettings(**settings, finish_opening=True)
    )
    assert (finished > 0).sum() < (plain_cells > 0).sum()
    assert not (finished > 0)[plain_cells == 0].any()
    in_order(finished, finished_nuclei)


def published(**faults):
    return LabellingSettings(faults=PublishedFaults(**faults))


def test_border_never_excluded_lets_cells_grow_through_borders():
    nuclei, cells = two_cells()
    # Only the right cell has a nucleus; the left one is reached only through the border.
    nuclei[:, :110] = 0
    mended, _ = label_cells(nuclei, cells, FULL, LabellingSettings())
    faulty, _ = label_cells(nuclei, cells, FULL, published(border_never_excluded=True))
    assert mended[110, 40] == 0
    assert faulty[110, 40] > 0


def test_border_sum_wraps_at_256():
    nuclei, cells = two_cells()
    nuclei[70:150, 60:62, 1] = 200
    cells[70:150, 60:62, 1] = 60
    settings = LabellingSettings(nucleus_minimum=1000)
    faulty = LabellingSettings(nucleus_minimum=1000, faults=PublishedFaults(border_sum_wraps=True))
    # 200 + 60 is border and cuts the seed in two; wrapped to 4, it is not.
    assert len(np.unique(label_cells(nuclei, cells, FULL, settings)[1])) == 4
    assert len(np.unique(label_cells(nuclei, cells, FULL, faulty)[1])) == 3


def test_seed_border_inverted_cuts_seeds_only_at_strong_borders():
    nuclei, cells = two_cells()
    nuclei[disc((220, 220), 110, 60, 40), 2] = 250
    nuclei[60:160, 58:62, 1] = 100
    _, cut = label_cells(nuclei, cells, FULL, LabellingSettings(nucleus_minimum=1000, seed_minimum=100))
    inverted = LabellingSettings(
        nucleus_minimum=1000, seed_minimum=100, faults=PublishedFaults(seed_border_inverted=True)
    )
    _, whole = label_cells(nuclei, cells, FULL, inverted)
    assert len(np.unique(cut)) - len(np.unique(whole)) == 1


def test_enclosed_cells_are_merged_or_kept():
    nuclei, cells = empty(400, 400)
    cells[disc((400, 400), 200, 200, 180), 2] = 250
    ring = disc((400, 400), 200, 200, 62) & ~disc((400, 400), 200, 200, 56)
    cells[ring, 2], cells[ring, 1] = 100, 200
    nuclei[disc((400, 400), 200, 200, 35), 2] = 250
    nuclei[disc((400, 400), 200, 320, 35), 2] = 250
    apart, _ = label_cells(nuclei, cells, FULL, LabellingSettings())
    merged, _ = label_cells(nuclei, cells, FULL, published(enclosed_cells_merge=True))
    assert apart.max() == 2
    assert merged.max() == 1


@pytest.mark.parametrize("seed", range(6))
def test_flood_equals_a_watershed_of_the_whole_image(seed):
    rng = np.random.default_rng(seed)
    level = ndimage.gaussian_filter(rng.random((240, 301)), 12)
    level = ((level - level.min()) / np.ptp(level) * 255).astype(np.uint8)
    mask = level > 60
    markers = np.zeros(level.shape, np.uint16)
    for number, (y, x) in enumerate(rng.integers(8, 232, (25, 2)), start=1):
        markers[y - 4 : y + 4, x - 4 : x + 4] = number
    expected = watershed(-level.astype(int), np.where(mask, markers, 0).astype(np.int32), mask=mask)
    found = flood(level, markers, mask)
    assert np.array_equal(found > 0, expected > 0)
    assert (found != expected).mean() < 0.01  # plateaus of this coarse level may be divided one pixel apart


def test_grow_equals_a_watershed_from_all_label_pixels():
    rng = np.random.default_rng(4)
    level = rng.integers(0, 6, (90, 80)).astype(np.uint8)
    labels = np.zeros((90, 80), np.uint16)
    labels[5:40, 5:30], labels[50:80, 20:70], labels[10:30, 50:75] = 1, 2, 3
    mask = (labels > 0) | (rng.random((90, 80)) < 0.85)
    expected = watershed(-level.astype(int), labels.astype(np.int32), mask=mask)
    assert np.array_equal(grow(level, labels, mask), expected)


def test_split_flat_equals_a_watershed_with_lines():
    mask = np.zeros((60, 90), bool)
    mask[10:50, 5:60] = mask[20:30, 70:85] = True
    markers = np.zeros((60, 90), np.uint16)
    markers[12:16, 8:12], markers[40:48, 50:58], markers[22:24, 72:74] = 4, 7, 2
    expected = watershed(mask.astype(np.uint8), markers.astype(np.int32), mask=mask, watershed_line=True)
    assert np.array_equal(split_flat(label(mask, connectivity=1).astype(np.uint16), markers), expected)


def test_labelling_is_reproducible():
    probabilities = field(0, 256)
    first, second = (label_cells(*probabilities, FULL * 8, LabellingSettings()) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
