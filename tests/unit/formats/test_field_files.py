"""Files per field: GeoJSON for QuPath and regions of ImageJ, on cells with holes and in pieces."""

import io
import json
import struct
import zipfile

import numpy as np
import pytest
from helpers.export_data import CLASSES, HEIGHT, IDS, WIDTH, write_export_data
from skimage.draw import polygon2mask

from puzzlecell.data.label_images import resize_labels
from puzzlecell.formats.class_colours import GREY, class_colours
from puzzlecell.formats.field_files import FileKind, export_fields
from puzzlecell.formats.file_names import safe_name
from puzzlecell.formats.geojson import GeoJsonWriter
from puzzlecell.formats.imagej import ImageJWriter

COLOURS = class_colours(CLASSES, "Negative")
KINDS = {
    "geojson": FileKind(GeoJsonWriter("test", CLASSES, COLOURS), ".geojson"),
    "imagej": FileKind(ImageJWriter(CLASSES, COLOURS), ".zip"),
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_export_data(tmp_path_factory.mktemp("run"))


def write(data, folder, form, threads=1):
    export_fields(
        folder,
        data.answer,
        masks=data.masks,
        cell_tables=data.cell_tables,
        classes=len(CLASSES),
        kind=KINDS[form],
        threads=threads,
        progress=lambda done, total, text="": None,
    )
    return folder


def drawn(polygons):
    """Pixels inside polygons with holes, (HEIGHT, WIDTH) bool."""
    inside = np.zeros((HEIGHT, WIDTH), int)
    for rings in polygons:
        for number, ring in enumerate(rings):
            # Centres of pixels against corners.
            mask = polygon2mask((HEIGHT, WIDTH), np.array(ring)[:, ::-1] - 0.5)
            inside += mask if number == 0 else -1 * mask
    return inside


def polygons_of(geometry):
    return [geometry["coordinates"]] if geometry["type"] == "Polygon" else geometry["coordinates"]


@pytest.mark.parametrize("form", KINDS)
def test_there_is_one_file_for_each_field(data, tmp_path, form):
    folder = tmp_path / form
    folder.mkdir()
    (folder / "of_a_field_that_is_gone").write_text("")
    written = write(data, folder, form)
    expected = {f"{safe_name(name)}{KINDS[form].ending}" for ids in IDS for name in ids}
    assert {path.name for path in written.iterdir()} == expected
    other = write(data, tmp_path / "parallel", form, threads=2)
    assert {path.name: path.read_bytes() for path in written.iterdir()} == {
        path.name: path.read_bytes() for path in other.iterdir()
    }


@pytest.mark.parametrize("field_id", ["plate 1 (well A1)#1", "third", "empty"])
def test_polygons_are_exactly_the_masks(data, tmp_path, field_id):
    path = write(data, tmp_path / "geojson", "geojson") / f"{safe_name(field_id)}.geojson"
    features = json.loads(path.read_text())["features"]
    cells = resize_labels(data.labels[field_id], HEIGHT, WIDTH)
    nuclei = resize_labels(data.nuclei[field_id], HEIGHT, WIDTH)
    assert len(features) == cells.max()
    for feature in features:
        number = int(feature["properties"]["metadata"]["cell"])
        np.testing.assert_array_equal(drawn(polygons_of(feature["geometry"])), cells == number)
        assert ("nucleusGeometry" in feature) == (nuclei == number).any()
        if "nucleusGeometry" in feature:
            np.testing.assert_array_equal(drawn(polygons_of(feature["nucleusGeometry"])), nuclei == number)
        for rings in polygons_of(feature["geometry"]):
            assert all(ring[0] == ring[-1] for ring in rings)


def test_features_say_what_qupath_reads(data, tmp_path):
    path = write(data, tmp_path / "geojson", "geojson") / "third.geojson"
    first = json.loads(path.read_text())["features"][0]
    row = data.table[(data.table["ID"] == "third") & (data.table["cell"] == 1)].iloc[0]
    top = CLASSES[int(np.argmax([row[f"p0{index}"] for index in range(4)]))]
    properties = first["properties"]
    assert (first["type"], properties["objectType"], properties["name"]) == ("Feature", "cell", "third:1")
    assert properties["classification"] == {"name": top, "color": list(COLOURS[top])}
    measured = properties["measurements"]
    assert measured["probability: cell"] == pytest.approx(row["p01"], rel=1e-6)
    assert measured["calibrated: cell"] == pytest.approx(row["c01"], rel=1e-6)
    assert measured["area_px"] == row["area_px"]
    assert properties["metadata"] == {
        "ID": "third", "cell": "1", "well": "A1", "quality": "good", "calls": row["calls"]
    }  # fmt: skip
    # NaN is no JSON, and a cell in which nothing is probable has no class.
    path = path.with_name(f"{safe_name(IDS[0][0])}.geojson")
    second, third = json.loads(path.read_text())["features"][1:3]
    assert "classification" not in second["properties"]
    assert "unlike_training" not in third["properties"]["measurements"]


def test_regions_of_imagej(data, tmp_path):
    path = write(data, tmp_path / "imagej", "imagej") / "third.zip"
    archive = zipfile.ZipFile(io.BytesIO(path.read_bytes()))
    assert archive.namelist() == [
        "00001_cell.roi",
        "00002_cell.roi",
        "00003_cell.roi",
        "00004_cell.roi",
        "00004_nucleus.roi",
    ]
    whole = archive.read("00004_cell.roi")
    # The square at rows 25 to 31 and columns 1 to 7 of 32, in a field of 64 x 48.
    assert struct.unpack(">4s2x B x 4h H", whole[:18]) == (b"Iout", 8, 50, 1, 62, 10, 4)
    assert struct.unpack(">i", whole[36:40]) == (0,)
    composite = archive.read("00001_cell.roi")
    assert composite[6] == 1, "a region with holes is a composite one"
    (length,) = struct.unpack(">i", composite[36:40])
    kinds, place = [], 0
    path_numbers = struct.unpack(f">{length}f", composite[64 : 64 + 4 * length])
    while place < length:
        kinds.append(path_numbers[place])
        place += 1 if path_numbers[place] == 4 else 3
    assert (kinds.count(0), kinds.count(4)) == (3, 3), "an outline and two holes"


@pytest.mark.parametrize(
    ("field_id", "expected"),
    [
        ("A01_1", "A01_1"),
        ("plate-1.x+y", "plate-1.x+y"),
        ("ä_2", "ä_2"),
        ("A01#3", "A01_3-"),
        ("100%", "100_-"),
        ("a:b", "a_b-"),
        ("-x", "-x-"),
        ("é" * 100, "é" * 75 + "-"),
    ],
)
def test_names_of_files_are_harmless(field_id, expected):
    name = safe_name(field_id)
    assert name == expected if not expected.endswith("-") else name.startswith(expected)
    assert len(name.encode()) <= 161


def test_ids_that_look_alike_have_different_files():
    names = [safe_name(text) for text in ("a b", "a#b", "a_b", "a:b")]
    assert len(set(names)) == 4


def test_classes_keep_their_colours():
    # As many as the viewer can show.
    colours = class_colours([f"class {index}" for index in range(31)], None)
    assert len({*colours.values(), GREY}) == 32
    assert COLOURS["Negative"] == GREY
