"""The user's own label images: used as masks, resized to the field, checked."""

import os

import cv2
import numpy as np
import pandas as pd
import pytest
from helpers.segmentation_data import in_order, two_discs

from puzzlecell.config.segmentation import SegmentationSettings
from puzzlecell.config.segmenters import ClassicalSettings, MasksSettings
from puzzlecell.data.pixel_sizes import PixelSizes
from puzzlecell.data.store import ShardReader, write_shard
from puzzlecell.segmentation.base import FieldImage
from puzzlecell.segmentation.shard import segment_shard
from puzzlecell.segmentation.user_masks import MasksError, MasksSegmenter


def write_masks(folder, cells, nuclei=None, name="f"):
    folder.mkdir(exist_ok=True)
    cv2.imwrite(str(folder / f"{name}_cells.png"), cells)
    if nuclei is not None:
        cv2.imwrite(str(folder / f"{name}_nuclei.png"), nuclei)
    return MasksSegmenter(folder, ClassicalSettings())


def own_masks(dtype=np.uint16):
    cells, nuclei = np.zeros((2, 60, 80), dtype)
    cells[5:50, 5:35], cells[5:50, 35:75] = 9, 200
    nuclei[10:20, 10:20], nuclei[15:25, 50:60] = 1, 2
    return cells, nuclei


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_own_masks_are_used_with_nuclei_numbered_as_their_cells(tmp_path, dtype):
    cells, nuclei = own_masks(dtype)
    image = np.zeros((60, 80, 4), np.uint8)
    (found,) = write_masks(tmp_path, cells, nuclei).segment([FieldImage("f", image, 0.08)])
    assert np.array_equal(found.cells, np.where(cells == 9, 1, np.where(cells == 200, 2, 0)))
    assert np.array_equal(found.nuclei, nuclei)
    in_order(found.cells, found.nuclei)


def test_own_masks_of_another_size_are_resized_to_the_field(tmp_path):
    cells, nuclei = own_masks()
    (found,) = write_masks(tmp_path, cells, nuclei).segment(
        [FieldImage("f", np.zeros((30, 40, 4), np.uint8), 0.16)]
    )
    assert found.cells.shape == (30, 40)
    assert (found.cells[5:20, 5:15] == 1).all()


def test_without_a_nucleus_file_nuclei_are_segmented_in_blue(tmp_path):
    image = two_discs()
    cells = np.zeros((400, 400), np.uint16)
    cells[:, :200], cells[:, 200:] = 1, 2
    (found,) = write_masks(tmp_path, cells).segment([FieldImage("f", image, 0.16)])
    overlap = ((found.nuclei > 0) & (image[..., 2] > 0)).sum() / (
        (found.nuclei > 0) | (image[..., 2] > 0)
    ).sum()
    assert overlap > 0.9
    assert set(np.unique(found.nuclei)) == {0, 1, 2}


def test_disconnected_pieces_of_a_cell_are_dropped_with_a_warning(tmp_path, caplog):
    cells, nuclei = own_masks()
    cells[55:58, 5:8] = 9
    (found,) = write_masks(tmp_path, cells, nuclei).segment(
        [FieldImage("f", np.zeros((60, 80, 4), np.uint8), 1)]
    )
    assert not found.cells[55:58, 5:8].any()
    assert "9 pixels left out" in caplog.text


def wrong(case):
    cells, nuclei = own_masks()
    if case == "nuclei outside":
        nuclei[52:58, 2:10] = 3
    elif case == "colour":
        cells = np.stack([cells] * 3, -1)
    elif case == "proportions":
        cells = cells[:, :60]
    elif case == "nuclei of another size":
        nuclei = nuclei[:40]
    return cells, nuclei


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("nuclei outside", "f_nuclei.png: nuclei 3 lie outside"),
        ("colour", "f_cells.png: a colour PNG .*expected a greyscale"),
        ("proportions", "f_cells.png: 60 x 60 pixels .*80 x 60"),
        ("nuclei of another size", "f_nuclei.png: 80 x 40"),
    ],
)
def test_invalid_masks_are_reported(tmp_path, case, message):
    made = write_masks(tmp_path, *wrong(case))
    with pytest.raises(MasksError, match=message):
        made.segment([FieldImage("f", np.zeros((60, 80, 4), np.uint8), 0.08)])


def test_missing_and_damaged_masks_are_reported(tmp_path):
    made = write_masks(tmp_path, *own_masks())
    image = np.zeros((60, 80, 4), np.uint8)
    with pytest.raises(MasksError, match=r"g_cells\.png is missing"):
        made.segment([FieldImage("g", image, 1)])
    (tmp_path / "h_cells.png").write_bytes(b"no picture")
    with pytest.raises(MasksError, match=r"h_cells\.png: not a PNG"):
        made.segment([FieldImage("h", image, 1)])
    with pytest.raises(MasksError, match="there is no folder"):
        MasksSegmenter(tmp_path / "absent", ClassicalSettings())


def damaged(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def pipe(path):
    path.unlink()
    os.mkfifo(path)


def broken_link(path):
    path.unlink()
    path.symlink_to("nowhere.png")


@pytest.mark.parametrize("kind", ["cells", "nuclei"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (damaged, "damaged, the checksum"),
        (pipe, "a named pipe"),
        (broken_link, "a link to a file that does not exist"),
        (lambda path: path.write_bytes(path.read_bytes()[:-9]), "cut off"),
        (lambda path: cv2.imwrite(str(path), np.zeros((120, 160), np.uint8)), "0.0192 megapixels, more than"),
    ],
)
def test_label_images_that_cannot_be_used_are_named(tmp_path, kind, change, message):
    write_masks(tmp_path, *own_masks())
    change(tmp_path / f"f_{kind}.png")
    made = MasksSegmenter(tmp_path, ClassicalSettings(), max_megapixels=0.01)
    with pytest.raises(MasksError, match=rf"f_{kind}\.png: .*{message}"):
        made.segment([FieldImage("f", np.zeros((60, 80, 4), np.uint8), 1)])


def test_bytes_after_the_end_of_a_label_image_are_ignored(tmp_path):
    made = write_masks(tmp_path, *own_masks())
    for path in tmp_path.iterdir():
        path.write_bytes(path.read_bytes() + b"saved by a viewer")
    (found,) = made.segment([FieldImage("f", np.zeros((60, 80, 4), np.uint8), 1)])
    assert found.cells.max() == 2


def test_a_shard_reads_masks_from_next_to_the_raw_fields(tmp_path):
    cells, nuclei = own_masks()
    write_masks(tmp_path / "annotated", cells, nuclei)
    write_masks(tmp_path / "annotated", cells * 0, name="none")
    sizes = {"height": np.array([60, 60]), "width": np.array([80, 80])}
    images = {"images": np.full((2, 64, 64, 4), 9, np.uint8)}
    write_shard(tmp_path / "store.h5", ["f", "none"], {**images, **sizes}, {})
    settings = SegmentationSettings(method="masks", masks=MasksSettings(folder="annotated"))
    segment_shard(
        tmp_path / "store.h5",
        tmp_path / "m.h5",
        tmp_path / "t.parquet",
        settings,
        PixelSizes(1.0),
        data_folder=tmp_path,
    )
    table = pd.read_parquet(tmp_path / "t.parquet")
    assert table["cell"].tolist() == [1, 2]
    assert np.allclose(table["area_px"], [45 * 30, 45 * 40], rtol=0.06)
    assert ShardReader([tmp_path / "m.h5"]).read("f", "cells").shape == (64, 64)
    assert "none_cells.png has no cells" in table.attrs["no_cells"]["none"]
