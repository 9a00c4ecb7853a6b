import cv2
import numpy as np
import pytest

from puzzlecell.data.labels import LabelError
from puzzlecell.data.store import ShardReader, write_shard
from puzzlecell.ensemble.field_sizes import submission_fields


@pytest.fixture
def store(tmp_path):
    """Two fields of 10 x 20 and one of 30 x 40 pixels (height x width)."""
    arrays = {
        "images": np.zeros((3, 4, 4, 4), np.uint8),
        "height": np.array([10, 10, 30]),
        "width": np.array([20, 20, 40]),
    }
    write_shard(tmp_path / "s.h5", ["a", "b", "c"], arrays, {})
    return ShardReader([tmp_path / "s.h5"])


def table(tmp_path, text):
    path = tmp_path / "labels.csv"
    path.write_text(text)
    return path


def test_every_field_in_the_order_of_its_table(tmp_path, store):
    fields = submission_fields(table(tmp_path, "ID\nc\na\nb\n"), tmp_path, store)
    assert fields.to_numpy().tolist() == [["c", 40, 30], ["a", 20, 10], ["b", 20, 10]]


def test_a_field_that_was_not_stored_takes_the_size_of_a_readable_channel(tmp_path, store):
    cv2.imwrite(str(tmp_path / "d_blue.png"), np.zeros((50, 60), np.uint8))
    fields = submission_fields(table(tmp_path, "ID\nd\na\n"), tmp_path, store)
    assert fields.to_numpy().tolist() == [["d", 60, 50], ["a", 20, 10]]


def test_an_unreadable_field_takes_the_most_common_size(tmp_path, store):
    fields = submission_fields(table(tmp_path, "ID\nx\na\nb\nc\n"), tmp_path, store)
    assert fields.iloc[0].tolist() == ["x", 20, 10]


def test_fields_without_a_table_come_in_the_order_given(tmp_path, store):
    fields = submission_fields(None, tmp_path, store, ["b", "c", "a"])
    assert fields.to_numpy().tolist() == [["b", 20, 10], ["c", 40, 30], ["a", 20, 10]]


def test_sizes_in_the_table_serve_for_fields_that_were_not_stored(tmp_path, store):
    text = "ID,ImageWidth,ImageHeight\nx,5,6\na,20,10\n"
    fields = submission_fields(table(tmp_path, text), tmp_path, store)
    assert fields.to_numpy().tolist() == [["x", 5, 6], ["a", 20, 10]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ID,ImageWidth,ImageHeight\na,5,6\n", "field a has ImageWidth, ImageHeight 5, 6, .* 20 x 10 pixels"),
        ("ID,ImageWidth,ImageHeight\na,10,20\n", "columns look swapped"),
        ("ID,ImageWidth,ImageHeight\na,64.0,10\n", "field a has ImageWidth '64.0'"),
        ("ID,ImageWidth,ImageHeight\na,20,\n", "field a has ImageHeight ''"),
        ("ID,ImageWidth\na,20\n", "column ImageWidth but no ImageHeight"),
    ],
)
def test_wrong_sizes_in_the_table_are_errors(tmp_path, store, text, message):
    with pytest.raises(LabelError, match=message):
        submission_fields(table(tmp_path, text), tmp_path, store)


def test_no_known_size_is_an_error(tmp_path, store):
    with pytest.raises(ValueError, match="no size is known"):
        submission_fields(table(tmp_path, "ID\nx\n"), tmp_path, store)
