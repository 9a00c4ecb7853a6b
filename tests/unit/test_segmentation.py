"""Classical segmentation of drawn and real fields, and the files of a shard."""

from pathlib import Path

import cv2
import h5py
import numpy as np
import pandas as pd
import pytest
from skimage.measure import label

from puzzlecell.cells import COLUMNS
from puzzlecell.config.segmentation import ClassicalSettings, SegmentationSettings
from puzzlecell.segmentation import FieldImage, segment_shard
from puzzlecell.segmentation.base import SegmentedField
from puzzlecell.segmentation.classical import ClassicalSegmenter, find_nuclei, grow_cells, split_at_necks
from puzzlecell.segmentation.label_images import number_by_cell, reshape_each, resize_label_image, tidy
from puzzlecell.segmentation.shard import at_size, unsqueezed
from puzzlecell.store import ShardReader, write_shard

REAL = Path(__file__).parents[3] / "shared/data/hpa_fields"
CELL, NUCLEUS = 8.0, 4.0


def drawn(shape, centres, pixel_um, cell_um=CELL, nucleus_um=NUCLEUS, noise=3.0, seed=0):
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


def in_order(found):
    cells, nuclei = found.cells, found.nuclei
    assert cells.dtype == nuclei.dtype == np.uint16
    assert np.array_equal(np.unique(cells[cells > 0]), np.arange(1, cells.max() + 1))
    assert label(cells, connectivity=2).max() == cells.max()
    assert (cells[nuclei > 0] == nuclei[nuclei > 0]).all()
    assert set(np.unique(nuclei)) == set(np.unique(cells))


@pytest.mark.parametrize(
    ("shape", "pixel_um"),
    [((256, 256), 0.64), ((1728, 1728), 0.08), ((3072, 3072), 0.08), ((300, 700), 0.32)],
)
def test_sizes_and_magnifications(shape, pixel_um):
    centres = grid(shape[0] * pixel_um, shape[1] * pixel_um)
    found = segmented(drawn(shape, centres, pixel_um), pixel_um)
    assert found.cells.shape == shape
    assert found.cells.max() == len(centres)
    in_order(found)
    radius = np.sqrt(np.bincount(found.cells.ravel())[1:] / np.pi) * pixel_um
    assert np.abs(radius / CELL - 1).max() < 0.15
    for y, x in centres:
        assert found.nuclei[int(y / pixel_um), int(x / pixel_um)] > 0


def test_300_cells():
    centres = grid(490, 360)
    assert len(centres) == 300
    found = segmented(drawn((980, 720), centres, 0.5), 0.5)
    assert found.cells.max() == 300
    in_order(found)


def test_uneven_background_and_brightness():
    centres = grid(160, 160)
    image = drawn((500, 500), centres, 0.32).astype(np.float32)
    slope = np.linspace(0, 1, 500, dtype=np.float32)[None, :, None]
    uneven = (image * (1 - 0.6 * slope) + 60 * slope).clip(0, 255).astype(np.uint8)
    found = segmented(uneven, 0.32)
    assert found.cells.max() == len(centres)
    in_order(found)


def test_touching_nuclei_are_split_and_elongated_ones_are_not():
    pair = drawn((256, 256), [(40, 36.5), (40, 43.5)], 0.32)
    assert segmented(pair, 0.32).cells.max() == 2
    assert segmented(pair, 0.32, neck=0.3).cells.max() == 1
    rows, columns = np.mgrid[:256, :256] * 0.32
    blue = np.where(np.hypot((rows - 40) / 4, (columns - 40) / 8) < 1, 0.7, 0.05).astype(np.float32)
    assert find_nuclei(blue, 0.32, ClassicalSettings()).max() == 1


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


def test_borders_follow_dark_gaps():
    """Two cells meet at a dark line that is nearer to one of the nuclei."""
    red = np.full((100, 200), 0.6, np.float32)
    red[:, 60:64] = 0.2
    red[:8] = red[-8:] = red[:, :8] = red[:, -8:] = 0.02
    nuclei = np.zeros((100, 200), np.int32)
    nuclei[40:60, 25:45], nuclei[40:60, 140:160] = 1, 2
    cells = grow_cells(red, red, nuclei, 0.32, ClassicalSettings())
    border = [np.flatnonzero(np.diff(row.astype(int)) > 0)[-1] for row in cells[20:80]]
    assert 57 <= min(border) <= max(border) <= 67
    straight = grow_cells(red, red, nuclei, 0.32, ClassicalSettings(gap_weight=0, signal_weight=0))
    assert abs(np.flatnonzero(np.diff(straight[50].astype(int)) > 0)[-1] - 92) < 4


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


@pytest.mark.skipif(not REAL.is_dir(), reason="the shared data is not beside this checkout")
@pytest.mark.parametrize("side", [2048, 512, 256])
def test_every_complete_nucleus_of_a_real_field_has_one_cell(side):
    channels = [
        cv2.imread(str(REAL / f"800_A6_1_{name}.png"), cv2.IMREAD_UNCHANGED)
        for name in ("red", "green", "blue", "yellow")
    ]
    image = cv2.resize(np.stack(channels, -1), (side, side), interpolation=cv2.INTER_AREA)
    found = segmented(image, 0.08 * 2048 / side)
    in_order(found)
    # (y, x) of the nuclei that lie wholly inside the field, in pixels of the original, read off the picture.
    complete = [
        (380, 290), (600, 1080), (410, 1610), (870, 1660), (1080, 450),
        (1285, 1170), (1190, 1790), (1660, 1550), (1770, 750),
    ]  # fmt: skip
    numbers = [int(found.nuclei[y * side // 2048, x * side // 2048]) for y, x in complete]
    assert 0 not in numbers
    assert len(set(numbers)) == len(complete)
    # Each nucleus in one piece, filled, and well inside a cell of its own.
    area = {number: int((found.cells == number).sum()) * (2048 / side) ** 2 for number in numbers}
    assert all(80_000 < pixels < 600_000 for pixels in area.values()), area
    assert found.cells.max() <= 18


def write_store(path, images, sizes, ids=None):
    ids = ids or [f"f{n}" for n in range(len(images))]
    height, width = (np.array([size[axis] for size in sizes], np.int32) for axis in (0, 1))
    write_shard(
        path, ids, {"images": np.asarray(images, np.uint8), "height": height, "width": width}, {"size": 256}
    )


def run(folder, settings=None, pixel_um=0.64, name="out", **arguments):
    segment_shard(
        folder / "store.h5", folder / f"{name}.h5", folder / f"{name}.parquet", settings or SegmentationSettings(),
        pixel_um, **arguments,
    )  # fmt: skip
    return ShardReader([folder / f"{name}.h5"]), pd.read_parquet(folder / f"{name}.parquet")


def test_the_files_of_a_shard(tmp_path, caplog):
    images = [drawn((128, 128), grid(80, 80), 0.64), np.full((128, 128, 4), 7, np.uint8)]
    write_store(tmp_path / "store.h5", images, [(256, 256), (128, 128)], ["a b", "empty"])
    seen = []
    masks, table = run(tmp_path, pixel_um=0.32, progress=lambda done, fields: seen.append((done, fields)))
    assert seen == [(1, 2), (2, 2)]
    assert masks.ids == ["a b", "empty"]
    assert [masks.size(field) for field in masks.ids] == [(256, 256), (128, 128)]
    cells = masks.read("a b", "cells")
    assert cells.shape == (128, 128)
    assert cells.dtype == masks.read("a b", "nuclei").dtype == np.uint16
    assert not masks.read("empty", "cells").any()
    assert list(table) == list(COLUMNS)
    assert (table["ID"] == "a b").all()
    assert table["cell"].tolist() == list(range(1, cells.max() + 1))
    assert table["area_px"].sum() == 4 * (cells > 0).sum()
    reason = "no nucleus stands out from the background of blue"
    assert table.attrs == {"no_cells": {"empty": reason}}
    assert f"empty: no cells: {reason}" in caplog.text


def test_an_empty_shard(tmp_path):
    write_store(tmp_path / "store.h5", np.zeros((0, 64, 64, 4)), [])
    masks, table = run(tmp_path)
    assert len(masks) == len(table) == 0
    assert list(table) == list(COLUMNS)
    with h5py.File(tmp_path / "out.h5") as file:
        assert file["cells"].shape == file["nuclei"].shape == (0, 64, 64)


def test_a_field_that_is_not_square_is_seen_in_its_own_proportions(tmp_path):
    tall = drawn((256, 128), grid(160, 80), 0.64)
    squeezed = cv2.resize(tall, (256, 256), interpolation=cv2.INTER_LINEAR)
    assert np.abs(unsqueezed(squeezed, 512, 256, 256).astype(int) - tall).mean() < 2
    write_store(tmp_path / "store.h5", [squeezed], [(512, 256)])
    masks, table = run(tmp_path, pixel_um=0.32)
    own = segmented(tall, 0.64)
    assert len(table) == own.cells.max() == len(grid(160, 80))
    assert masks.read("f0", "cells").shape == (256, 256)
    assert (table["x1"] <= 256).all()
    assert table["y1"].max() > 256
    radius = np.sqrt(table["area_px"] / np.pi) * 0.32
    assert np.abs(radius / CELL - 1).max() < 0.2


def test_the_size_of_the_masks_is_a_setting(tmp_path):
    write_store(tmp_path / "store.h5", [drawn((256, 256), grid(160, 160), 0.64)], [(256, 256)])
    _, table = run(tmp_path)
    small, small_table = run(tmp_path, SegmentationSettings(size=100), name="small")
    assert small.read("f0", "cells").shape == (100, 100)
    assert len(table) == len(small_table)
    assert np.abs(small_table["area_px"] / table["area_px"] - 1).max() < 0.25


def test_raw_fields_are_segmented_at_their_full_size(tmp_path):
    full = drawn((512, 512), grid(160, 160), 0.32)
    stored = np.zeros((128, 128, 4), np.uint8)  # the store holds nothing to see
    write_store(tmp_path / "store.h5", [stored], [(512, 512)])
    images = tmp_path / "images"
    images.mkdir()
    for channel, name in enumerate(("red", "green", "blue", "yellow")):
        cv2.imwrite(str(images / f"f0_{name}.png"), full[..., channel].astype(np.uint16) * 257)
    settings = SegmentationSettings(source="raw")
    masks, table = run(tmp_path, settings, pixel_um=0.32, raw_folder=images)
    assert masks.read("f0", "cells").shape == (128, 128)
    assert len(table) == len(grid(160, 160))
    with pytest.raises(ValueError, match="no folder of raw fields"):
        run(tmp_path, settings)


def test_a_failed_run_leaves_no_files(tmp_path):
    write_store(tmp_path / "store.h5", [np.zeros((64, 64, 4))], [(64, 64)])
    with pytest.raises(ValueError, match="missing"):
        run(tmp_path, SegmentationSettings(source="raw"), raw_folder=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["store.h5"]


def test_resized_labels_keep_their_shapes():
    labels = np.zeros((20, 30), np.uint16)
    rows, columns = np.mgrid[:20, :30]
    labels[np.hypot(rows - 9.5, columns - 8) < 6] = 3
    labels[np.hypot(rows - 9.5, columns - 20) < 6.2] = 9
    grown = resize_label_image(labels, (160, 240))
    assert set(np.unique(grown)) == {0, 3, 9}
    large_rows, large_columns = (np.mgrid[:160, :240] + 0.5) / 8 - 0.5
    disc = np.hypot(large_rows - 9.5, large_columns - 8) < 6
    overlap = ((grown == 3) & disc).sum() / ((grown == 3) | disc).sum()
    assert overlap > 0.92
    nearest = np.repeat(np.repeat(labels == 3, 8, 0), 8, 1)
    assert overlap > (nearest & disc).sum() / (nearest | disc).sum()
    assert np.array_equal(resize_label_image(grown, (20, 30)) > 0, labels > 0)
    assert resize_label_image(labels, (20, 30)) is not None
    with pytest.raises(ValueError, match="16 bits"):
        resize_label_image(np.full((2, 2), 70_000), (4, 4))


def test_tidy_orders_cells_and_cuts_nuclei():
    cells = np.zeros((12, 12), np.uint16)
    cells[1:5, 1:5], cells[8, 8], cells[6:10, 1:4] = 7, 7, 300
    nuclei = np.zeros_like(cells)
    nuclei[2:4, 2:7], nuclei[7, 2], nuclei[8, 8], nuclei[11, 11] = 7, 7, 7, 5
    ordered, kernels = tidy(cells, nuclei)
    assert set(np.unique(ordered)) == {0, 1, 2}
    assert ordered[8, 8] == 0
    assert (ordered == 1).sum() == 16
    assert (kernels == 1).sum() == 6
    assert set(np.unique(kernels)) == {0, 1}


def test_labels_are_opened_and_closed_each_by_itself():
    labels = np.zeros((40, 40), np.int32)
    labels[0:20, 0:20], labels[8, 20:30], labels[24:38, 5:35] = 1, 1, 2
    labels[24:30, 18:21] = 0
    opened = reshape_each(labels, cv2.MORPH_OPEN, 3)
    assert not opened[8, 25]
    assert opened[0, 0] == opened[0, 19 // 2] == 1  # the field's border is no edge
    closed = reshape_each(labels, cv2.MORPH_CLOSE, 3)
    assert closed[27, 19] == 2
    assert (closed[labels > 0] == labels[labels > 0]).all()
    assert reshape_each(labels, cv2.MORPH_OPEN, 0.4) is labels


def test_nuclei_go_to_the_cell_that_covers_them():
    cells = np.zeros((10, 20), np.uint16)
    cells[:, :8], cells[:, 8:16] = 4, 9
    nuclei = np.zeros((10, 20), np.uint16)
    nuclei[2:6, 2:6], nuclei[2:6, 7:13], nuclei[7:9, 15:19] = 1, 2, 3
    numbered, apart = number_by_cell(nuclei, cells)
    assert apart == [3]
    assert (numbered[2:6, 2:6] == 4).all()
    assert (numbered[2:6, 8:13] == 9).all()
    assert not numbered[2:6, 7].any()
    assert not numbered[7:9].any()


def test_labels_at_the_stored_size_stay_in_order():
    rng = np.random.default_rng(1)
    cells = resize_label_image(rng.integers(0, 40, (30, 50)).astype(np.uint16), (300, 500))
    cells, nuclei = tidy(cells, cells)
    found, kernels = at_size(SegmentedField(cells, nuclei), 64)
    assert found.shape == (64, 64)
    in_order(SegmentedField(found, kernels))
