"""Tables that users provide give exactly what is written in them, or a message of ours."""

import csv
import io

import numpy as np
import pytest
from helpers.damage import damaged
from hypothesis import given
from hypothesis import strategies as st

from puzzlecell.data.labels import read_ids, read_labels
from puzzlecell.data.rle import decode_runs, encode_mask
from puzzlecell.data.submission_file import read_submission, triplets
from puzzlecell.errors import UserError

CLASSES = [f"class {number}" for number in range(19)]
TEXT = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["NA", "null", "nan", "1e5", "007", "True", "a b", "../x", "a/b", "a,b", 'a"b', "a\nb", "'", " "]
    ),
    st.text("abcXYZ019_-. é", min_size=1, max_size=12),
    st.text("x", min_size=190, max_size=210),
)
LABEL = st.one_of(
    st.lists(st.integers(0, 18), min_size=1, max_size=4).map(lambda numbers: "|".join(map(str, numbers))),
    st.lists(st.integers(0, 18), min_size=1, max_size=4).map(str),
    st.sampled_from(
        [
            "",
            "[0.7, 16]",
            "['3', True]",
            "1_6",
            "0x1",
            "+1",
            "-1",
            "19",
            "1|",
            "[[0]]",
            "{}",
            "[" * 500,
            "٣",
            "1e1",
        ]
    ),
    st.text("0123456789|[], .'_-", max_size=12),
)


def written(rows) -> bytes:
    file = io.StringIO(newline="")
    # All values in quotes: Python 3.11 would write a lone carriage return without.
    csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(rows)
    return file.getvalue().encode("utf-8", "surrogatepass")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("tables") / "labels.csv"


@given(ids=st.lists(TEXT, min_size=1, max_size=5))
def test_ids_are_read_as_they_are_written_or_refused(path, ids):
    path.write_bytes(written([["ID"], *([field_id] for field_id in ids)]))
    try:
        found = read_ids(path)["ID"].tolist()
    except UserError as error:
        assert "labels.csv" in str(error)
    else:
        assert found == ids
        assert all("/" not in name and len(name.encode()) <= 200 for name in found)


@given(labels=st.lists(LABEL, min_size=1, max_size=4))
def test_labels_mean_what_they_say_or_are_refused(path, labels):
    path.write_bytes(written([["ID", "Label"], *([f"f{row}", text] for row, text in enumerate(labels))]))
    try:
        found = read_labels(path, CLASSES)
    except UserError as error:
        assert "labels.csv" in str(error)
        return
    for row, text in enumerate(labels):
        inside = text.strip().removeprefix("[").removesuffix("]").replace("|", ",")
        assert set(np.flatnonzero(found.iloc[row])) == {int(part) for part in inside.split(",")}
        assert all(part.strip().isascii() and part.strip().isdigit() for part in inside.split(","))


@given(content=st.binary(max_size=300))
def test_any_bytes_as_a_table_give_ids_or_a_message(path, content):
    headers = b"ID,Label\n", b"ID,Label\n", b"ID,ImageWidth,ImageHeight,PredictionString\n"
    readers = read_ids, lambda table: read_labels(table, CLASSES), read_submission
    for header, read in zip(headers, readers, strict=True):
        path.write_bytes(header + content)
        try:
            read(path)
        except UserError as error:
            assert "labels.csv" in str(error)


MASK = np.zeros((23, 17), bool)
MASK[3:9, 2:8] = MASK[12:20, 5:16] = True


@st.composite
def masks(draw):
    """A mask of up to 24 x 24 pixels, from blocks to noise."""
    height, width = draw(st.integers(1, 24)), draw(st.integers(1, 24))
    bits = draw(st.lists(st.booleans(), min_size=height * width, max_size=height * width))
    step = draw(st.sampled_from([1, 1, 4]))
    mask = np.array(bits).reshape(height, width)
    return np.kron(mask, np.ones((step, step), bool))


@given(mask=masks())
def test_every_mask_is_decoded_as_it_was(mask):
    counts = decode_runs(encode_mask(mask), *mask.shape)
    values = np.repeat(np.arange(len(counts)) % 2, counts).reshape(mask.shape[::-1]).T
    assert np.array_equal(values, mask)


@given(data=st.data())
def test_a_damaged_mask_has_the_pixels_of_its_field_or_is_refused(data):
    text = data.draw(damaged(encode_mask(MASK).encode())).decode("latin1")
    try:
        counts = decode_runs(text, *MASK.shape)
    except UserError:
        return
    assert counts.sum() == MASK.size
    assert (counts >= 0).all()


NUMBERS = st.sampled_from(["0", "18", "19", "x", "-1", "1.0", "٣", "1_0", "", "nan"])
CONFIDENCES = st.sampled_from(["0", "1", "0.25", "1e-3", "7", "-0.1", "abc", "nan", "inf", "1_0"])
SIZES = st.sampled_from(["17", "23", "0", "-5", "", "64.0", "x", "1e3", "9" * 30])


@given(
    triplet=st.tuples(NUMBERS, CONFIDENCES, st.sampled_from([encode_mask(MASK), "x", ""])).map(" ".join),
    width=SIZES,
    height=SIZES,
    name=TEXT,
)
def test_a_submission_is_read_as_it_is_written_or_refused(path, triplet, width, height, name):
    rows = [["ID", "ImageWidth", "ImageHeight", "PredictionString"], [name, width, height, triplet]]
    path.write_bytes(written(rows))
    try:
        table = read_submission(path)
        found = list(triplets(table["PredictionString"].iloc[0]))
    except UserError as error:
        assert "labels.csv" in str(error) or "class" in str(error)
        return
    assert table["ID"].tolist() == [name]
    assert [str(table["ImageWidth"].iloc[0]), str(table["ImageHeight"].iloc[0])] == [width, height]
    for index, confidence, mask in found:
        assert triplet == f"{index} {triplet.split()[1]} {mask}"
        assert 0 <= confidence == float(triplet.split()[1]) <= 1
