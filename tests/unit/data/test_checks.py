"""Checks of raw data before the first job."""

import os

import cv2
import numpy as np
import pytest

from puzzlecell.data.checks import dataset_problems
from puzzlecell.data.field_sources import RawDataset
from puzzlecell.data.raw_files import CHANNELS, channel_path


def data_set(folder, ids, table=None, labelled=False):
    """Small fields of 6 x 4 pixels with their table."""
    images = folder / "images"
    images.mkdir(parents=True)
    for field_id in ids:
        for channel in CHANNELS:
            cv2.imwrite(str(channel_path(images, field_id, channel)), np.zeros((4, 6), np.uint8))
    labels = folder / "labels.csv"
    labels.write_text(table or "ID\n" + "".join(f"{field_id}\n" for field_id in ids))
    return RawDataset(images, labels, labelled)


def problems_of(*datasets, max_rejected=0.0, **options):
    named = {f"set{number}": dataset for number, dataset in enumerate(datasets)}
    return "\n".join(dataset_problems(named, ["a"], max_rejected, **options))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (",", "field f has ImageWidth '';"),
        ("6,", "field f has ImageHeight '';"),
        ("-6,4", "field f has ImageWidth '-6'; expected a whole number of pixels"),
        ("6,0", "field f has ImageHeight '0'"),
        ("6.0,4", "field f has ImageWidth '6.0'"),
        ("six,4", "field f has ImageWidth 'six'"),
        ("6,4_0", "field f has ImageHeight '4_0'"),
        ("\u0666,4", "field f has ImageWidth '\u0666'"),
        ("6,99999999999", "field f has ImageHeight '99999999999'"),
        (
            "8,4",
            "field f has ImageWidth, ImageHeight 8, 4, but its images have 6 x 4 pixels; correct the table",
        ),
        ("4,6", "but its images have 6 x 4 pixels; the columns look swapped"),
    ],
)
def test_sizes_in_the_table_of_a_test_set_must_be_those_of_its_images(tmp_path, row, message):
    given = data_set(tmp_path, ["f", "g"], f"ID,ImageWidth,ImageHeight\nf,{row}\ng,6,4\n")
    text = problems_of(given)
    assert message in text
    assert "field g" not in text


def test_right_sizes_are_no_problem_and_one_column_is(tmp_path):
    table = "ID,ImageWidth,ImageHeight\nf,6,4\n"
    assert problems_of(data_set(tmp_path / "right", ["f"], table)) == ""
    assert "there is a column ImageHeight but no ImageWidth" in problems_of(
        data_set(tmp_path / "one", ["f"], "ID,ImageHeight\nf,4\n")
    )


def test_sizes_of_unreadable_fields_cannot_be_compared(tmp_path):
    given = data_set(tmp_path, ["f", "g"], "ID,ImageWidth,ImageHeight\nf,6,4\ng,9,9\n")
    channel_path(given.images, "g", "red").unlink()
    assert problems_of(given, max_rejected=0.5) == ""


def test_channels_of_different_depth_are_a_problem_of_their_field(tmp_path):
    given = data_set(tmp_path, ["f", "g"])
    cv2.imwrite(str(channel_path(given.images, "g", "red")), np.zeros((4, 6), np.uint16))
    text = problems_of(given)
    assert "g_red.png: 16 bits per pixel, but green has 8 bits per pixel; all four" in text
    assert "1 of 2 fields are damaged" in text
    assert "g_green.png" not in text


def test_large_images_are_refused_with_the_setting(tmp_path):
    given = data_set(tmp_path, ["f"])
    assert problems_of(given, max_megapixels=24e-6) == ""
    assert (
        "f_{red,green,blue,yellow}.png: 6 x 4 pixels are 2.4e-05 megapixels, more than ingest.max_megapixels: 2.3e-05"
        in (problems_of(given, max_megapixels=23e-6))
    )


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", "there is no folder {images}"),
        ("file", "{images} is not a folder"),
        ("loop", "the folder {images} cannot be opened: Too many levels of symbolic links"),
    ],
)
def test_a_folder_that_is_none_is_reported_once(tmp_path, kind, message):
    images, labels = tmp_path / "images", tmp_path / "labels.csv"
    labels.write_text("ID\nf\ng\n")
    if kind == "file":
        images.write_text("")
    elif kind == "loop":
        images.symlink_to("images")
    text = problems_of(RawDataset(images, labels, False))
    expected = "expected a folder with PNGs named <ID>_<channel>.png, channels red, green, blue, yellow"
    assert text == f"{message.format(images=images)}; {expected}"


def test_a_data_set_without_any_file_is_reported_in_two_lines(tmp_path):
    text = problems_of(RawDataset(tmp_path / "images", tmp_path / "labels.csv", True))
    assert len(text.splitlines()) == 2
    assert "there is no such table" in text
    assert "there is no folder" in text


def test_files_of_other_names_are_shown(tmp_path):
    given = data_set(tmp_path, ["f", "g"])
    assert "files of other names" not in problems_of(given)
    for channel in CHANNELS:
        path = channel_path(given.images, "g", channel)
        path.rename(path.with_name(f"g_{channel}.PNG"))
    (given.images / "Thumbs.db").write_text("")
    assert f"{given.images} has files of other names, such as g_blue.PNG" in problems_of(given)
    for path in given.images.iterdir():
        path.unlink()
    assert f"{given.images} is empty" in problems_of(given)


def test_something_else_than_an_image_does_not_block(tmp_path):
    given = data_set(tmp_path, ["f", "g"])
    for make, channel in ((os.mkfifo, "red"), (os.mkdir, "green")):
        path = channel_path(given.images, "f", channel)
        path.unlink()
        make(path)
    text = problems_of(given)
    assert "f_red.png: a named pipe" in text
    assert "f_green.png: a folder" in text


def test_a_sample_is_spread_over_the_table(tmp_path, monkeypatch):
    ids = [f"f{number}" for number in range(10)]
    given = data_set(tmp_path, ids)
    read = []
    monkeypatch.setattr(
        "puzzlecell.data.checks.check_field", lambda _, field_id, **__: (read.append(field_id), (None, []))[1]
    )
    assert problems_of(given, sample=4) == ""
    assert read == ["f0", "f3", "f6", "f9"]
    read.clear()
    problems_of(given, sample=99)
    assert read == ids


def test_damage_in_a_sample_counts_by_its_share(tmp_path):
    given = data_set(tmp_path, [f"f{number}" for number in range(100)])
    channel_path(given.images, "f0", "red").unlink()
    assert "1 of 10 fields checked (of 100) are damaged" in problems_of(given, sample=10)
    assert problems_of(given, sample=10, max_rejected=0.05) == ""
    for number in range(50):
        channel_path(given.images, f"f{number}", "blue").unlink()
    assert "5 of 10 fields checked" in problems_of(given, sample=10, max_rejected=0.05)
