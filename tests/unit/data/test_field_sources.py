"""Which images belong to which field: patterns, tables of images, and what is wrong with them."""

import os
from dataclasses import replace

import cv2
import numpy as np
import pytest

from puzzlecell.config.datasets import DatasetSettings
from puzzlecell.data.checks import dataset_problems
from puzzlecell.data.field_sources import (
    FieldSource,
    RawDataset,
    field_sources,
    metadata_columns,
)
from puzzlecell.data.fields import FieldError, check_field, read_field
from puzzlecell.data.image_plane import ImagePlane
from puzzlecell.data.image_table import RESERVED
from puzzlecell.data.raw_files import shard_of
from puzzlecell.data.source_states import metadata_state, pixel_sizes_state, shard_digest
from puzzlecell.segmentation.cell_table import CELL_COLUMNS

NAMING = "{plate}/{well}_s{site}_{channel}.png"
CHANNELS = {"red": "tub", "green": "prot", "blue": "dapi", "yellow": None}
FIRST = "p1/A1_s1_tub.png,p1/A1_s1_prot.png,p1/A1_s1_dapi.png"
HEADER = "ID,red,green,blue,yellow"


def write(path, level=0, shape=(4, 6), dtype=np.uint8):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full(shape, level, dtype))


def given(folder, **settings):
    """A test set without tables."""
    labels, table = settings.pop("labels", None), settings.pop("table", None)
    layout = DatasetSettings(role="test", **settings).layout
    return RawDataset(str(folder), labels, False, table, str(folder), layout)


def problems(dataset, max_rejected=0.0, **options):
    return "\n".join(dataset_problems({"test": dataset}, ["a"], max_rejected, **options))


@pytest.fixture
def plate(tmp_path):
    """Two fields of three channels with levels 1 to 6, in a folder of the plate."""
    for number, well in enumerate(("A1", "B2")):
        for place, name in enumerate(("tub", "prot", "dapi")):
            write(tmp_path / f"p1/{well}_s1_{name}.png", 3 * number + place + 1)
    (tmp_path / "p1/.A1_s1_tub.png").write_text("of a file manager")
    return tmp_path


def test_fields_and_metadata_come_from_the_names_of_files(plate):
    dataset = given(plate, naming=NAMING, channels=CHANNELS)
    sources = field_sources(dataset)
    assert sources.ids == ("p1_A1_1", "p1_B2_1")
    assert sources["p1_A1_1"].metadata == {"plate": "p1", "well": "A1", "site": "1"}
    assert [plane and plane.path for plane in sources["p1_B2_1"].planes] == [
        *(f"{plate}/p1/B2_s1_{name}.png" for name in ("tub", "prot", "dapi")),
        None,
    ]
    assert read_field(sources, "p1_B2_1")[0, 0].tolist() == [4, 5, 6, 0]
    assert metadata_columns(dataset) == {
        "ID": ["p1_A1_1", "p1_B2_1"],
        "plate": ["p1", "p1"],
        "well": ["A1", "B2"],
        "site": ["1", "1"],
    }
    assert problems(dataset) == ""


@pytest.mark.parametrize(
    ("settings", "ids"),
    [
        ({"naming": NAMING, "ID": "{well}-{plate}"}, ("A1-p1", "B2-p1")),
        ({"naming": "{plate}/{ID}_{channel}.png"}, ("A1_s1", "B2_s1")),
        ({"naming": "*/{well}_*_{channel}.*"}, ("A1", "B2")),
        ({"naming": "p1/{ID}_s1_{channel}.png"}, ("A1", "B2")),
    ],
)
def test_an_id_is_composed_of_groups(plate, settings, ids):
    dataset = given(plate, channels=CHANNELS, **settings)
    assert field_sources(dataset).ids == ids
    assert read_field(field_sources(dataset), ids[1])[0, 0].tolist() == [4, 5, 6, 0]


def test_labels_say_which_fields_there_are_and_in_which_order(plate):
    labels = plate / "labels.csv"
    labels.write_text("ID\np1_B2_1\np1_C3_1\np1_A1_1\n")
    dataset = given(plate, naming=NAMING, channels=CHANNELS, labels=labels)
    assert field_sources(dataset).ids == ("p1_B2_1", "p1_C3_1", "p1_A1_1")
    text = problems(dataset)
    assert f"{plate}: field p1_C3_1: no file matches naming '{NAMING}'" in text
    assert "1 of 3 fields are damaged" in text
    assert problems(dataset, max_rejected=0.4) == ""
    labels.write_text("ID\np1_B2_1\np1_C3_1\n")
    assert "has files of other names, such as p1/A1_s1_dapi.png" in problems(dataset)


def test_a_channel_is_that_of_another_or_black(plate):
    dataset = given(plate, naming=NAMING, channels=CHANNELS | {"yellow": {"same_as": "red"}})
    assert read_field(field_sources(dataset), "p1_A1_1")[3, 5].tolist() == [1, 2, 3, 1]
    text = problems(given(plate, naming=NAMING, channels={**CHANNELS, "yellow": "er"}))
    assert "p1_A1_1: no file for yellow (er) matches" in text
    assert "2 of 2 fields are damaged" in text


def test_channels_and_pages_of_a_file_are_places_in_it(tmp_path):
    write(tmp_path / "a.tif.png")
    channels = {"red": 0, "green": {"page": 2}, "blue": {"page": 1, "channel": 3}, "yellow": None}
    sources = field_sources(given(tmp_path, naming="{ID}.tif.png", channels=channels))
    path = f"{tmp_path}/a.tif.png"
    planes = (ImagePlane(path, None, 0), ImagePlane(path, 2), ImagePlane(path, 1, 3), None)
    assert sources["a"] == FieldSource(planes)
    assert list(sources.files(["a"])) == [path]


def rename(plate):
    (plate / "p1/A1_s1_dapi.png").rename(plate / "p1/A1_s1_DAPI.png")


@pytest.mark.parametrize(
    ("change", "naming", "message"),
    [
        (rename, NAMING, "field p1_A1_1: no file for blue (dapi) matches"),
        (rename, NAMING, "has files of other names, such as p1/A1_s1_DAPI.png"),
        (
            lambda plate: write(plate / "p1/A1_s2_tub.png"),
            "{plate}/{ID}_s*_{channel}.png",
            "two files for tub of field A1: p1/A1_s1_tub.png and p1/A1_s2_tub.png",
        ),
        (
            lambda plate: (plate / "p1/A1_s1_tub.png").rename(plate / "p1/A1_s2_tub.png"),
            "{plate}/{ID}_s{site}_{channel}.png",
            "field A1 has {site} 1 in p1/A1_s1_dapi.png but 2 in p1/A1_s2_tub.png; make it part of the ID",
        ),
        (
            lambda plate: write(plate / "p1/A,1_s1_tub.png"),
            NAMING,
            "p1/A,1_s1_tub.png: the ID 'p1_A,1_1' contains a comma",
        ),
        (
            lambda plate: write(plate / "p1/A1_s1_dapi.png", shape=(5, 6)),
            NAMING,
            "A1_s1_dapi.png: 6 x 5 pixels, but red has 6 x 4 pixels",
        ),
        (
            lambda plate: write(plate / "p1/A1_s1_dapi.png", dtype=np.uint16),
            NAMING,
            "A1_s1_dapi.png: 16 bits per pixel, but red has 8",
        ),
        (
            lambda plate: None,
            "{cell}/{ID}_s1_{channel}.png",
            "the group 'cell' is a column of the table of cells",
        ),
        (
            lambda plate: None,
            "{ID}_{channel}.tif",
            "no file matches naming '{ID}_{channel}.tif', channels tub, prot",
        ),
        (lambda plate: None, "{ID}_{channel}.tif", "it contains p1; there is no labels.csv"),
    ],
)
def test_what_is_wrong_with_files_is_said(plate, change, naming, message):
    change(plate)
    assert message in problems(given(plate, naming=naming, channels=CHANNELS))


def table(plate, text, **settings):
    path = plate / "images.csv"
    path.write_text(text)
    return given(plate, table=path, **settings)


def test_a_table_names_images_pixel_sizes_and_metadata(plate):
    other = plate / "elsewhere.png"
    write(other, 9)
    dataset = table(
        plate,
        f"ID,gene,{HEADER[3:]},pixel_size_um\nb,TP53,{FIRST},{other},0.5\na,,{FIRST},p1/B2_s1_tub.png,\n",
    )
    sources = field_sources(dataset)
    assert sources.ids == ("b", "a")
    assert read_field(sources, "b")[0, 0].tolist() == [1, 2, 3, 9]
    assert [sources[field_id].pixel_size_um for field_id in sources.ids] == [0.5, None]
    assert metadata_columns(dataset) == {"ID": ["b", "a"], "gene": ["TP53", ""]}
    assert problems(dataset) == ""
    labels = plate / "labels.csv"
    labels.write_text("ID\na\nc\n")
    assert "images.csv: there is no row for the field c" in problems(replace(dataset, labels=labels))
    assert "has rows of other IDs, such as b" in problems(replace(dataset, labels=labels))


def test_a_table_names_pages_and_channels(tmp_path):
    row = "a,s.tif#page=2,s.tif#channel=1,s.tif#page=0&channel=3,x#1.tif"
    planes = field_sources(table(tmp_path, f"{HEADER}\n{row}\n"))["a"].planes
    path = f"{tmp_path}/s.tif"
    assert planes == (
        ImagePlane(path, 2),
        ImagePlane(path, None, 1),
        ImagePlane(path, 0, 3),
        ImagePlane(f"{tmp_path}/x#1.tif"),
    )


@pytest.mark.parametrize(
    ("text", "settings", "message"),
    [
        (
            f"{HEADER}\na,{FIRST},\n",
            {},
            "line 2: field a: yellow: no image; for a channel that does not exist",
        ),
        (
            f"{HEADER}\na,{FIRST},x#page=-1\n",
            {},
            "line 2: field a: yellow: 'x#page=-1': expected a number from 0",
        ),
        (f"{HEADER}\na,{FIRST},x#page=1&page=2\n", {}, "expected a number from 0"),
        (f"{HEADER}\na,{FIRST},s3://b/x.png\n", {}, "is in a bucket, but the table is on this machine"),
        (
            f"{HEADER}\na,{FIRST},p1/A1_s1_tub.png\n",
            {},
            "has the same image for red and yellow; if this is meant",
        ),
        (
            f"{HEADER}\na,{FIRST},./p1//A1_s1_tub.png\n",
            {},
            "has the same image for red and yellow; if this is meant",
        ),
        (
            f"{HEADER}\na,x#page=1&channel=0,b,c,x#channel=0&page=1\n",
            {},
            "has the same image for red and yellow; if this is meant",
        ),
        (
            f"{HEADER}\na,x#page=1,x#page=2,c,x\n",
            {},
            "line 2: field a: yellow: 'x' is here with and without a page or channel",
        ),
        (f"{HEADER}\na,x,b,c,x#channel=0\n", {}, "yellow: 'x' is here with and without a page or channel"),
        (f"{HEADER}\na,{FIRST},p1/x.png\n", {}, "p1/x.png: file is missing"),
        (f"{HEADER}\na,{FIRST},x\n,{FIRST},x\n", {}, "no ID in line 3"),
        (f"{HEADER}\na,{FIRST},x\na,{FIRST},x\n", {}, "ID more than once: a (lines 2, 3)"),
        (f"ID,red,green,blue\na,{FIRST}\n", {}, "column yellow is missing; found 'ID', 'red'"),
        (
            f"{HEADER}\na,{FIRST},x\n",
            {"channels": {"yellow": None}},
            "there is a column yellow, but channels.yellow",
        ),
        (
            f"{HEADER}\na,{FIRST},x\n",
            {"channels": {"yellow": {"name": "yellow", "page": 0}}},
            "must be the name of a column",
        ),
        (f"{HEADER},pixel_size_um\na,{FIRST},x,0\n", {}, "line 2: field a has pixel_size_um '0'"),
        (f"{HEADER},pixel_size_um\na,{FIRST},x,0.1 um\n", {}, "line 2: field a has pixel_size_um '0.1 um'"),
        (f"{HEADER},Pixel_Size_um\na,{FIRST},x,1\n", {}, "write pixel_size_um exactly so"),
        (f"{HEADER},p00\na,{FIRST},x,1\n", {}, "'p00' is a column of the table of cells"),
        (f"{HEADER},area_px\na,{FIRST},x,1\n", {}, "'area_px' is a column of the table of cells"),
        (f"{HEADER}\na,{FIRST},x\n", {"naming": "{ID}_{channel}.png"}, "and so does naming"),
    ],
)
def test_what_is_wrong_with_a_table_is_said(plate, text, settings, message):
    assert message in problems(table(plate, text, **settings))


def test_metadata_cannot_hide_a_column_of_the_table_of_cells():
    assert set(CELL_COLUMNS) <= set(RESERVED)


def test_a_changed_file_changes_the_digests_of_its_fields_only(plate):
    both = table(plate, f"{HEADER}\n" + "".join(f"f{n},{FIRST},y{n}.png\n" for n in range(6)))
    for dataset, path, ids in (
        (both, "p1/A1_s1_tub.png", [f"f{n}" for n in range(6)]),
        (both, "y3.png", ["f3"]),
        (given(plate, naming=NAMING, channels=CHANNELS), "p1/B2_s1_tub.png", ["p1_B2_1"]),
    ):
        before = [shard_digest(dataset, shard, 4) for shard in range(4)]
        (plate / path).touch()
        os.utime(plate / path, ns=(1, 1))
        after = [shard_digest(dataset, shard, 4) for shard in range(4)]
        changed = {shard for shard in range(4) if before[shard] != after[shard]}
        assert changed == {shard_of(field_id, 4) for field_id in ids}


def test_a_table_changes_what_its_columns_decide(plate):
    header = f"{HEADER},pixel_size_um,gene\n"
    states = []
    for row in ("y.png,0.5,x", "y.png#page=1,0.5,x", "y.png,0.6,x", "y.png,0.5,z"):
        dataset = table(plate, f"{header}a,{FIRST},{row}\n")
        states.append(
            (shard_digest(dataset, 0, 1), pixel_sizes_state(dataset, 0, 1), metadata_state(dataset))
        )
    base, page, size, gene = states
    assert [a != b for a, b in zip(base, page, strict=True)] == [True, False, False]
    assert [a != b for a, b in zip(base, size, strict=True)] == [False, True, False]
    assert [a != b for a, b in zip(base, gene, strict=True)] == [False, False, True]
    assert pixel_sizes_state(given(plate), 0, 1) is metadata_state(given(plate)) is None


def test_digests_never_fail(plate):
    broken = table(plate, "no table\n")
    assert shard_digest(broken, 0, 1) == shard_digest(given(plate), 0, 1)
    assert pixel_sizes_state(broken, 0, 1) is metadata_state(broken) is None


def test_a_folder_is_looked_into_again_when_it_changes(plate, monkeypatch):
    # As if it had been changed long ago.
    monkeypatch.setattr("puzzlecell.runtime.unchanged_files._SETTLED", -(10**12))
    dataset = given(plate, naming=NAMING, channels=CHANNELS)
    first = field_sources(dataset)
    assert len(first.ids) == 2
    assert field_sources(dataset).found is first.found
    os.utime(plate / "p1", ns=(1, 1))
    assert field_sources(dataset).found is not first.found
    monkeypatch.undo()
    for name in ("tub", "prot", "dapi"):
        write(plate / f"p1/C3_s1_{name}.png")
    assert field_sources(dataset).ids[-1] == "p1_C3_1"
    (plate / "p2").mkdir()
    (plate / "p1/C3_s1_tub.png").rename(plate / "p2/C3_s1_tub.png")
    assert "p2_C3_1" in field_sources(dataset).ids


def test_a_source_with_a_problem_is_never_read_as_black(plate):
    sources = {"a": FieldSource((None,) * 4, problem="no file of field a")}
    assert check_field(sources, "a") == (None, ["no file of field a"])
    with pytest.raises(FieldError, match="^no file of field a$"):
        read_field(sources, "a")
