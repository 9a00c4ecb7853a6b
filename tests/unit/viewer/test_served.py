"""What the server of the viewer shows equals what `snakemake view` writes."""

import json

import cv2
import numpy as np
import pytest
from helpers.inference_data import CLASSES
from helpers.view_data import add_cams, shard_view, write_view_shard

from puzzlecell.config.view import ViewSettings
from puzzlecell.errors import UserError
from puzzlecell.viewer.page_files import PAGE, page_files
from puzzlecell.viewer.run_folder import chunks_of_other_rules
from puzzlecell.viewer.served import SHARDS, ServedView
from puzzlecell.viewer.write_shard import FACTS, write_shard_view


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return add_cams(write_view_shard(tmp_path_factory.mktemp("shard")))


@pytest.fixture(scope="module")
def source(files, tmp_path_factory):
    quality = tmp_path_factory.mktemp("further") / "quality.js"
    quality.write_text("puzzlecell.receive(1)")
    views = {"test/000": lambda: shard_view(files, every=True)}
    return ServedView(lambda: {"format": 1}, views, {"test/quality": quality})


@pytest.fixture(scope="module")
def written(files, tmp_path_factory):
    """The folder of the shard with pictures of all cells and fields."""
    folder = tmp_path_factory.mktemp("view") / "000"
    write_shard_view(folder, shard_view(files, every=True), "test/000")
    return folder


def test_every_written_file_is_served_as_it_is(source, written):
    names = {path.name for path in written.iterdir()} - {FACTS, f"{FACTS}.checksum"}
    assert {"cells.js", "details.js", "shapes.js", "sheet-0000.webp", "field-0004.webp"} <= names
    assert {"cam-0000-01.webp", "cam-0000-03.webp"} == {name for name in names if name.startswith("cam")}
    for name in names:
        served = source(f"data/test/000/{name}")
        assert served.body == (written / name).read_bytes(), name
        assert served.media == ("image/webp" if name.endswith("webp") else "text/javascript; charset=utf-8")


def test_all_cells_and_fields_have_pictures_though_few_are_written(source, files, tmp_path):
    few = {"confident": 1, "uncertain": 0, "disagree": 0, "random": 0, "sample": 0}
    view = shard_view(files, ViewSettings(tile=32, field_tile=64, pictures=few, fields=1))
    write_shard_view(tmp_path / "000", view, "test/000")
    assert view.picture_numbers.max() < len(view.cells)
    assert len(list((tmp_path / "000").glob("field-*.webp"))) == 1
    head, content = source("data/test/000/cells.js").body.decode().split(",", 1)
    assert head == 'puzzlecell.receive("test/000/cells"'
    columns = json.loads(content.partition(");\n")[0])["columns"]
    assert source("data/test/000/cells.js").body != (tmp_path / "000/cells.js").read_bytes()
    assert columns["scores"] and set(columns) >= {"picture", "field_picture"}
    for number in range(len(view.ids)):
        assert source(f"data/test/000/field-{number:04d}.webp") is not None


def test_pages_and_chunks_of_other_rules(source):
    for name in page_files():
        assert source(name).body == (PAGE / name).read_bytes()
    assert source("index.html").media == "text/html; charset=utf-8"
    assert source("style.css").media == "text/css; charset=utf-8"
    assert source("data/test/quality.js").body == b"puzzlecell.receive(1)"
    expected = b'puzzlecell.receive("run",{"format":1,"served":true,"columns":{}});\n//puzzlecell-xxh3:'
    assert source("data/run.js").body.startswith(expected)


def test_a_chunk_that_is_made_again_just_now_is_named(tmp_path):
    with pytest.raises(
        UserError, match=r"quality\.js: this file no longer exists; if `snakemake view` is running"
    ):
        ServedView(dict, {}, {"test/quality": tmp_path / "quality.js"})("data/test/quality.js")


@pytest.mark.parametrize(
    "path",
    [
        *(
            "",
            "data",
            "data/",
            "data/test/000",
            "data/test/000/",
            "data/test/000/shard.json",
            "test/000/cells.js",
        ),
        *(
            "data/test/001/cells.js",
            "data/000/cells.js",
            "data/data/test/000/cells.js",
            "data//test/000/cells.js",
        ),
        *("data/test/000/cells.js/", "data/test/000/../000/cells.js", "./data/test/000/cells.js"),
        *("data/test/000/sheet-0001.webp", "data/test/000/sheet-00000.webp", "data/test/000/sheet-000.webp"),
        *(
            "data/test/000/sheet-\u0660\u0660\u0660\u0660.webp",
            "data/test/000/sheet--001.webp",
            "data/test/000/sheet-0000.webp\n",
        ),
        *("data/test/000/field-0005.webp", "data/test/000/field-999999999.webp"),
        *(
            "data/test/000/cam-0000-00.webp",
            "data/test/000/cam-0001-01.webp",
            "data/test/000/cam-0000-99.webp",
        ),
        *("data/test/000/cam-0009-01.webp", "data/test/000/cam-0000-1.webp", "data/test/000/cells_chunk.js"),
        *("data/test/quality", "data/quality.js", "/etc/passwd", "../served.py", "js/../index.html", "js"),
    ],
)
def test_nothing_is_at_other_paths(source, path):
    assert source(path) is None


def test_chunks_of_other_rules_are_listed_without_links(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results/view/data/test/000").mkdir(parents=True)
    (tmp_path / "secret.js").write_text("secret")
    for name in ("run.js", "warnings.js", "test/quality.js", "test/000/cells.js"):
        (tmp_path / "results/view/data" / name).write_text("")
    (tmp_path / "results/view/data/link.js").symlink_to(tmp_path / "secret.js")
    (tmp_path / "results/view/data/folder.js").mkdir()
    found = chunks_of_other_rules(["test", "holdout"])
    assert {name: path.relative_to(tmp_path).as_posix() for name, path in found.items()} == {
        "warnings": "results/view/data/warnings.js",
        "test/quality": "results/view/data/test/quality.js",
    }


def test_the_oldest_shards_leave_the_memory(files):
    made = []

    def make(name):
        made.append(name)
        return shard_view(files, every=True)

    names = [f"test/{number:03d}" for number in range(SHARDS + 1)]
    source = ServedView(dict, {name: (lambda name=name: make(name)) for name in names}, {})
    for name in [*names, names[-1], names[1], names[0]]:
        assert source(f"data/{name}/field-0000.webp") is not None
    assert made == [*names, names[0]]


def test_the_picture_of_a_map_is_grey_and_255_where_it_is_1(source):
    def decoded(name):
        content = np.frombuffer(source(f"data/test/000/{name}").body, np.uint8)
        return cv2.imdecode(content, cv2.IMREAD_GRAYSCALE)

    # Lossy WebP is off by a few levels.
    assert decoded("cam-0000-03.webp").min() > 250
    corner = decoded("cam-0000-01.webp")
    assert corner.shape == (256, 256)
    # The centre of the first of 6 pixels is at a twelfth of the side, and the next one, which is 0, at three twelfths.
    assert corner[21, 21] > 240
    assert corner[21, 42] == pytest.approx(0.5 * 255, abs=12)
    assert corner[128:].max() < 10


def test_the_flags_of_maps_say_which_fields_and_classes_have_one(files):
    view = shard_view(files)
    _, columns = view.cells_chunk()
    assert columns["cams"].tolist() == [0b1010, 0, 0, 0, 0]
    assert len(CLASSES) == 4
