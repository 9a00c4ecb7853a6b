"""OME-Zarr of single fields, read with zarr; tests/readers reads them with ome-zarr."""

import cv2
import numpy as np
import pytest
import zarr
from helpers.export_data import CLASSES, HEIGHT, WIDTH, write_export_data

from puzzlecell.config.export import OmeZarrSettings
from puzzlecell.data.label_images import resize_labels
from puzzlecell.data.pixel_sizes import PixelSizes
from puzzlecell.data.raw_files import CHANNELS
from puzzlecell.errors import UserError
from puzzlecell.formats import ome_zarr
from puzzlecell.formats.export_ome_zarr import FieldFiles, export_ome_zarr
from puzzlecell.formats.requirements import NEEDED, missing_packages


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_export_data(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """Raw images of one field, 16 bits: (folder, pixels)."""
    folder = tmp_path_factory.mktemp("raw")
    pixels = np.random.default_rng(1).integers(0, 65536, (HEIGHT, WIDTH, 4), dtype=np.uint16)
    for place, channel in enumerate(CHANNELS):
        cv2.imwrite(str(folder / f"third_{channel}.png"), pixels[..., place])
    return folder, pixels


def write(data, path, field_id, images, version="0.4"):
    export_ome_zarr(
        path,
        field_id,
        FieldFiles(data.stores[1], data.masks[1], data.answer, images),
        pixel_sizes=PixelSizes(),
        max_megapixels=None,
        classes=CLASSES,
        negative="Negative",
        settings=OmeZarrSettings(version=version),
    )
    return zarr.open_group(path, mode="r")


def described(group, version):
    return dict(group.attrs) if version == "0.4" else dict(group.attrs)["ome"]


@pytest.mark.parametrize(("version", "zarr_format"), [("0.4", 2), ("0.5", 3)])
def test_image_and_label_images(data, raw, tmp_path, version, zarr_format):
    group = write(data, tmp_path / "third.ome.zarr", "third", raw[0], version)
    assert group.metadata.zarr_format == zarr_format
    np.testing.assert_array_equal(group["0"][:], np.moveaxis(raw[1], -1, 0))
    (image,) = described(group, version)["multiscales"]
    assert [axis["name"] for axis in image["axes"]] == ["c", "y", "x"]
    assert image["datasets"][0]["coordinateTransformations"][0]["scale"] == [1, 0.1, 0.1]
    assert group.attrs["puzzlecell"]["image"] == "raw"
    assert described(group["labels"], version)["labels"] == ["cells", "nuclei"]
    for name, labels in (("cells", data.labels), ("nuclei", data.nuclei)):
        np.testing.assert_array_equal(
            group[f"labels/{name}/0"][:], resize_labels(labels["third"], HEIGHT, WIDTH)
        )
    shown = described(group["labels/cells"], version)["image-label"]
    row = data.table[(data.table["ID"] == "third") & (data.table["cell"] == 1)].iloc[0]
    top = CLASSES[int(np.argmax([row[f"p0{index}"] for index in range(4)]))]
    assert shown["properties"][0] == {
        "label-value": 1, "class": top, "calls": row["calls"], "area_px": row["area_px"]
    }  # fmt: skip
    assert {entry["label-value"] for entry in shown["colors"]} == {1, 2, 3, 4}
    nuclei = described(group["labels/nuclei"], version)["image-label"]
    assert [entry["label-value"] for entry in nuclei["properties"]] == [4], "only labels that are there"


def test_without_raw_images_the_stored_field_is_written_and_said_to_be(data, tmp_path, caplog):
    group = write(data, tmp_path / "third.ome.zarr", "third", tmp_path / "moved")
    np.testing.assert_array_equal(group["0"][:], np.moveaxis(data.images["third"], -1, 0))
    about = group.attrs["puzzlecell"]
    assert (about["image"], about["raw_size"]) == ("stored", [HEIGHT, WIDTH])
    assert "file is missing" in about["because"]
    assert "the stored field is written in place of the raw one" in caplog.text
    (image,) = group.attrs["multiscales"]
    # 64 x 48 pixels of 0.1 um became 32 x 32.
    np.testing.assert_allclose(image["datasets"][0]["coordinateTransformations"][0]["scale"], [1, 0.2, 0.15])


def test_pyramids_end_at_a_small_picture(tmp_path, monkeypatch):
    monkeypatch.setattr(ome_zarr, "SMALLEST", 16)
    pixels = np.random.default_rng(2).integers(0, 255, (50, 41, 4), dtype=np.uint8)
    labels = {"cells": np.kron([[1, 0], [0, 2]], np.ones((10, 10))).astype(np.uint16)}
    image = ome_zarr.FieldImage("x", pixels, (0.5, 0.5), {})
    ome_zarr.write_ome_zarr(tmp_path / "x.zarr", image, ome_zarr.FieldLabels(labels, [], {}), "0.5")
    group = zarr.open_group(tmp_path / "x.zarr", mode="r")
    assert [group[name].shape for name in "012"] == [(4, 50, 41), (4, 25, 21), (4, 13, 11)]
    (entry,) = group.attrs["ome"]["multiscales"]
    # The field keeps its size: 25 um by 20.5 um.
    for dataset in entry["datasets"]:
        scale = dataset["coordinateTransformations"][0]["scale"]
        np.testing.assert_allclose(np.array(scale[1:]) * group[dataset["path"]].shape[1:], (25, 20.5))
    assert set(np.unique(group["labels/cells/2"][:])) <= {0, 1, 2}
    (channel, *_) = group.attrs["ome"]["omero"]["channels"]
    assert channel["window"]["start"] < channel["window"]["end"]


def test_a_field_that_is_not_stored_is_an_error(data, tmp_path):
    with pytest.raises(UserError, match="there is no field gone in"):
        write(data, tmp_path / "gone.ome.zarr", "gone", tmp_path)


def test_a_missing_package_is_named_with_the_command(monkeypatch):
    assert missing_packages(["csv", "ome_zarr"]) == []
    monkeypatch.setitem(NEEDED, "ome_zarr", ("no_such_module", "no-such-package", "export"))
    (problem,) = missing_packages(["csv", "ome_zarr"])
    assert "no-such-package is not installed" in problem
    assert 'pip install "puzzlecell[export]"' in problem
