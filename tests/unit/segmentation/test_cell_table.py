import numpy as np
import pytest
from skimage.measure import regionprops

from puzzlecell.config.segmentation import QualitySettings
from puzzlecell.data.label_images import resize_labels
from puzzlecell.segmentation.cell_table import CELL_COLUMNS, border_quality, cell_table, outlier_quality

SETTINGS = QualitySettings()


def blobs(seed=0, side=64, cells=6):
    """A label image of squares and discs, nuclei inside, an image with every pixel of every channel above 0."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:side, :side]
    labels = np.zeros((side, side), np.uint16)
    nuclei = np.zeros((side, side), np.uint16)
    for number in range(1, cells + 1):
        y, x = rng.integers(0, side, 2)
        distance = np.hypot(rows - y, columns - x)
        labels[(distance < side / 8) & (labels == 0)] = number
        nuclei[(distance < side / 16) & (labels == number)] = number
    image = rng.integers(1, 255, (side, side, 4)).astype(np.uint8)
    return image, labels, nuclei


@pytest.mark.parametrize(("height", "width"), [(64, 64), (128, 128), (101, 250), (1728, 1728)])
def test_geometry_equals_regionprops_on_the_field(height, width):
    image, cells, nuclei = blobs()
    table = cell_table("a", image, cells, nuclei, SETTINGS, height=height, width=width)
    large_nuclei = resize_labels(nuclei, height, width)
    regions = regionprops(resize_labels(cells, height, width))
    assert table["cell"].tolist() == [region.label for region in regions]
    for row, region in zip(table.itertuples(), regions, strict=True):
        assert row.area_px == region.area
        assert (row.centroid_y, row.centroid_x) == pytest.approx(region.centroid)
        assert (row.y0, row.x0, row.y1, row.x1) == region.bbox
        assert row.nucleus_area_px == (large_nuclei == region.label).sum()
        touches = row.y0 == 0 or row.x0 == 0 or row.y1 == height or row.x1 == width
        assert row.touches_border == touches


def test_columns_and_types():
    table = cell_table("field one", *blobs(), SETTINGS, height=64, width=64)
    design = (
        "ID, cell, area_px, centroid_y, centroid_x, y0, x0, y1, x1, touches_border, nucleus_area_px, "
        "border_quality, outlier_quality"
    )
    assert ", ".join(table) == ", ".join(CELL_COLUMNS) == design
    assert (table["ID"] == "field one").all()
    empty = cell_table(
        "b", np.zeros((8, 8, 4), np.uint8), *(np.zeros((8, 8), np.uint16),) * 2, SETTINGS, height=8, width=8
    )
    assert len(empty) == 0
    assert empty.dtypes.tolist() == table.dtypes.tolist()


def test_a_cell_missed_by_the_pixels_of_a_smaller_field_keeps_its_row():
    cells = np.zeros((9, 9), np.uint16)
    cells[0, 0], cells[4:, 4:] = 1, 2
    table = cell_table("a", np.ones((9, 9, 4), np.uint8), cells, cells, SETTINGS, height=3, width=3)
    assert table["cell"].tolist() == [1, 2]
    assert table["area_px"].tolist() == [0, 4]
    assert np.isfinite(table["centroid_y"]).all()


def nucleus(rows, columns, side=40):
    labels = np.zeros((side, side), np.uint16)
    labels[rows, columns] = 1
    return labels


def quality(labels, image=None, settings=SETTINGS):
    image = np.full((*labels.shape, 4), 9, np.uint8) if image is None else image
    return border_quality(image, labels, labels, settings)[1]


def test_a_whole_nucleus_has_full_quality_whatever_its_shape():
    # A rectangle fills the edges of its bounding box, which matters only at the field's border.
    assert quality(nucleus(slice(5, 15), slice(5, 25))) == 1
    assert quality(nucleus(slice(5, 6), slice(5, 6))) == 1


def test_a_nucleus_cut_at_its_widest_has_the_lowest_quality():
    assert quality(nucleus(slice(0, 10), slice(5, 25))) == SETTINGS.border_floor
    assert quality(nucleus(slice(30, 40), slice(5, 25))) == SETTINGS.border_floor
    assert quality(nucleus(slice(5, 25), slice(0, 10))) == SETTINGS.border_floor
    assert quality(nucleus(slice(5, 25), slice(30, 40))) == SETTINGS.border_floor


def test_quality_depends_on_the_cut_share():
    # 16 of 20 columns on the border: r = 0.2; published: (3.33 r)^0.1.
    labels = nucleus(slice(0, 10), slice(5, 25))
    labels[0, 5:9] = 0
    assert quality(labels) == pytest.approx((3.33 * 0.2) ** 0.1, rel=1e-3)
    # 12 of 20: r = 0.4.
    labels[0, 9:13] = 0
    assert quality(labels) == 1


def test_axes_multiply_and_the_longer_of_two_cuts_counts():
    labels = nucleus(slice(0, 20), slice(0, 20), side=20)
    assert quality(labels) == SETTINGS.border_floor**2
    labels[0, :4] = labels[-1, :8] = 0
    labels[4:, 0] = 0
    # Rows: cuts of 16 and 12 of 20, r = 0.2. Columns: left edge cut 3 rows (1 to 3), right edge 20, r = 0.
    assert quality(labels) == pytest.approx((0.2 / 0.3) ** 0.1 * SETTINGS.border_floor)


def test_missing_nuclei_and_missing_blue():
    labels = nucleus(slice(5, 15), slice(5, 15))
    image = np.full((40, 40, 4), 9, np.uint8)
    image[..., 2] = 0
    assert quality(labels, image) == SETTINGS.no_nucleus
    image[..., 2] = 9
    found = border_quality(image, labels, np.zeros_like(labels), SETTINGS)
    assert found.tolist() == [1, SETTINGS.no_nucleus]


def strips(reds, blues, yellows):
    """Cells of 4 columns each, 10 rows, with these brightnesses."""
    labels = np.repeat(np.arange(1, len(reds) + 1, dtype=np.uint16), 4)[None].repeat(10, 0)
    image = np.zeros((*labels.shape, 4), np.uint8)
    for channel, values in ((0, reds), (2, blues), (3, yellows)):
        image[..., channel] = np.asarray(values)[labels - 1]
    return image, labels


def test_outliers_have_little_red_or_little_blue_times_yellow():
    image, labels = strips([100, 100, 7, 100], [100, 100, 100, 20], [100, 100, 100, 20])
    # Mean red 76.75 x 0.077 = 5.9: cell 3 stays. Blue x yellow of cell 4: 400 of a mean of 7600 x 0.05 = 380: stays.
    valid = np.ones(5)
    assert outlier_quality(image, labels, valid, SETTINGS).tolist() == [1, 1, 1, 1, 1]
    image, labels = strips([100, 100, 5, 100], [100, 100, 100, 20], [100, 100, 100, 15])
    assert outlier_quality(image, labels, valid, SETTINGS).tolist() == [1, 1, 1, 0.001, 0.001]


def test_invalid_cells_are_ignored_and_unchanged():
    image, labels = strips([100, 2, 2], [100, 100, 100], [100, 100, 100])
    border = np.array([1, 0.001, 1, 1])
    # Without cell 1 the mean red is 2.
    assert outlier_quality(image, labels, border, SETTINGS).tolist() == [1, 1, 1, 1]
    border[1] = 0.02
    assert outlier_quality(image, labels, border, SETTINGS).tolist() == [1, 1, 0.001, 0.001]
    assert outlier_quality(image, labels, np.array([1, 0, 0, 0]), SETTINGS).tolist() == [1, 1, 1, 1]


def test_outlier_thresholds_are_settings():
    labels = nucleus(slice(0, 10), slice(5, 25))
    labels[0, 5:9] = 0
    assert quality(labels, settings=QualitySettings(border_full=0.15)) == 1
    assert quality(labels, settings=QualitySettings(border_none=0.25, border_floor=0.5)) == 0.5
    assert (
        quality(np.zeros_like(labels) + 1, np.zeros((40, 40, 4), np.uint8), QualitySettings(no_nucleus=0.3))
        == 0.3
    )
    image, cells = strips([100, 60], [100, 100], [100, 60])
    both = np.ones(3)
    assert outlier_quality(image, cells, both, QualitySettings(red_fraction=0.9, outlier=0.2))[2] == 0.2
    assert outlier_quality(image, cells, both, QualitySettings(blue_yellow_fraction=0.9))[2] == 0.001
    with pytest.raises(ValueError, match="must be below"):
        QualitySettings(border_none=0.5)


def test_quality_does_not_depend_on_the_size_of_image_and_labels():
    image, cells, nuclei = blobs()
    large = np.repeat(np.repeat(image, 2, 0), 2, 1)
    small_table = cell_table("a", image, cells, nuclei, SETTINGS, height=64, width=64)
    large_table = cell_table("a", large, cells, nuclei, SETTINGS, height=64, width=64)
    assert small_table.equals(large_table)
