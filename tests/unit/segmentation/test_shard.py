"""Segmenting a shard of the store: label images, cell table and log."""

import cv2
import h5py
import numpy as np
import pandas as pd
import pytest
from helpers.segmentation_data import CELL, drawn, grid, in_order, segmented

from puzzlecell.config.segmentation import SegmentationSettings
from puzzlecell.data.label_images import resize_label_image, tidy
from puzzlecell.data.pixel_sizes import PixelSizes
from puzzlecell.data.store import ShardReader, write_shard
from puzzlecell.segmentation.base import SegmentedField
from puzzlecell.segmentation.cell_table import CELL_COLUMNS
from puzzlecell.segmentation.shard import at_size, segment_shard, unsqueezed


def write_store(path, images, sizes, ids=None, limits=(0, 65535)):
    ids = ids or [f"f{n}" for n in range(len(images))]
    height, width = (np.array([size[axis] for size in sizes], np.int32) for axis in (0, 1))
    low, high = (np.full((len(ids), 4), limit, np.float32) for limit in limits)
    columns = {"height": height, "width": width, "low": low, "high": high}
    write_shard(path, ids, {"images": np.asarray(images, np.uint8), **columns}, {"size": 256})


def run(folder, settings=None, pixel_um=0.64, name="out", **arguments):
    segment_shard(
        folder / "store.h5", folder / f"{name}.h5", folder / f"{name}.parquet", settings or SegmentationSettings(),
        pixel_um if isinstance(pixel_um, PixelSizes) else PixelSizes(pixel_um), **arguments,
    )  # fmt: skip
    return ShardReader([folder / f"{name}.h5"]), pd.read_parquet(folder / f"{name}.parquet")


def test_a_shard_writes_its_files(tmp_path, caplog):
    caplog.set_level("INFO")
    images = [drawn((128, 128), grid(80, 80), 0.64), np.full((128, 128, 4), 7, np.uint8)]
    write_store(tmp_path / "store.h5", images, [(256, 256), (128, 128)], ["a b", "empty"])
    seen = []
    masks, table = run(tmp_path, pixel_um=0.32, progress=lambda done, fields: seen.append((done, fields)))
    assert seen == [(1, 2), (2, 2)]
    with h5py.File(tmp_path / "out.h5") as file:
        assert set(file) == {"cells", "nuclei", "cells_xxh3", "nuclei_xxh3", "id", "height", "width"}
        assert {file[name].shape for name in ("cells", "nuclei")} == {(2, 128, 128)}
    assert masks.ids == ["a b", "empty"]
    assert [masks.size(field) for field in masks.ids] == [(256, 256), (128, 128)]
    cells = masks.read("a b", "cells")
    assert cells.shape == (128, 128)
    assert cells.dtype == masks.read("a b", "nuclei").dtype == np.uint16
    assert not masks.read("empty", "cells").any()
    assert list(table) == list(CELL_COLUMNS)
    assert (table["ID"] == "a b").all()
    assert table["cell"].tolist() == list(range(1, cells.max() + 1))
    assert table["area_px"].sum() == 4 * (cells > 0).sum()
    reason = "no nucleus stands out from the background of the blue channel"
    assert table.attrs == {"no_cells": {"empty": reason}}
    assert f"empty: no cells: {reason}" in caplog.text


def test_an_empty_shard(tmp_path):
    write_store(tmp_path / "store.h5", np.zeros((0, 64, 64, 4)), [])
    masks, table = run(tmp_path)
    assert len(masks) == len(table) == 0
    assert list(table) == list(CELL_COLUMNS)
    with h5py.File(tmp_path / "out.h5") as file:
        assert file["cells"].shape == file["nuclei"].shape == (0, 64, 64)


def test_a_non_square_field_is_segmented_in_its_own_proportions(tmp_path):
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
    stored = np.zeros((128, 128, 4), np.uint8)  # the stored fields are black
    write_store(tmp_path / "store.h5", [stored], [(512, 512)])
    images = tmp_path / "images"
    images.mkdir()
    for channel, name in enumerate(("red", "green", "blue", "yellow")):
        cv2.imwrite(str(images / f"f0_{name}.png"), full[..., channel].astype(np.uint16) * 257)
    settings = SegmentationSettings(source="raw")
    masks, table = run(tmp_path, settings, pixel_um=0.32, images=images)
    assert masks.read("f0", "cells").shape == (128, 128)
    assert len(table) == len(grid(160, 160))
    # Dim raw fields, which the limits of the store make as bright.
    for channel, name in enumerate(("red", "green", "blue", "yellow")):
        cv2.imwrite(str(images / f"f0_{name}.png"), full[..., channel].astype(np.uint16) * 2 + 100)
    write_store(tmp_path / "store.h5", [stored], [(512, 512)], limits=(100, 610))
    dim, dim_table = run(tmp_path, settings, pixel_um=0.32, images=images)
    np.testing.assert_array_equal(dim.read("f0", "cells"), masks.read("f0", "cells"))
    pd.testing.assert_frame_equal(dim_table, table)
    with pytest.raises(ValueError, match="no raw fields"):
        run(tmp_path, settings)


def test_a_failed_run_leaves_no_files(tmp_path):
    write_store(tmp_path / "store.h5", [np.zeros((64, 64, 4))], [(64, 64)])
    with pytest.raises(ValueError, match="missing"):
        run(tmp_path, SegmentationSettings(source="raw"), images=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["store.h5"]


def test_labels_at_the_stored_size_stay_valid():
    rng = np.random.default_rng(1)
    cells = resize_label_image(rng.integers(0, 40, (30, 50)).astype(np.uint16), (300, 500))
    cells, nuclei = tidy(cells, cells)
    found, kernels = at_size(SegmentedField(cells, nuclei), 64)
    assert found.shape == (64, 64)
    in_order(found, kernels)


def test_each_field_is_segmented_with_its_own_pixel_size(tmp_path):
    coarse, fine = drawn((128, 128), grid(80, 80), 0.64), drawn((256, 256), grid(80, 80), 0.32)
    images = tmp_path / "images"
    images.mkdir()
    for field_id, image in (("a", coarse), ("b", fine)):
        for channel, name in enumerate(("red", "green", "blue", "yellow")):
            cv2.imwrite(str(images / f"{field_id}_{name}.png"), image[..., channel])
    sides = np.array([128, 256], np.int32)
    low, high = np.zeros((2, 4), np.float32), np.full((2, 4), 255, np.float32)
    columns = {"height": sides, "width": sides, "pixel_size_um": np.array([0.64, np.nan])}
    columns |= {"low": low, "high": high}
    write_shard(
        tmp_path / "store.h5", ["a", "b"], {"images": np.zeros((2, 128, 128, 4), np.uint8), **columns}, {}
    )
    settings = SegmentationSettings(source="raw")
    tables = [
        run(tmp_path, settings, pixel_um=stated, images=images, name=name)[1]
        for name, stated in (("right", PixelSizes(None, {"b": 0.32})), ("wrong", PixelSizes(0.64)))
    ]
    right, wrong = (
        {name: rows["nucleus_area_px"].mean() for name, rows in table.groupby("ID")} for table in tables
    )
    assert right["b"] == pytest.approx(4 * right["a"], rel=0.1)
    assert right["a"] == wrong["a"]
    assert tables[0].groupby("ID").size().tolist() == [len(grid(80, 80))] * 2
    assert right.get("b") != wrong.get("b")
