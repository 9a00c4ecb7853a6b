import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from puzzlecell.data.rle import encode_mask
from puzzlecell.data.submission_file import SubmissionError, detections_problem, read_submission, triplets
from puzzlecell.data.text_tables import TableError

MASK = encode_mask(np.eye(4, dtype=bool))
HEADER = "ID,ImageWidth,ImageHeight,PredictionString"
SIZES = ("", "0", "-4", "4.0", "4e1", "0x4", " 4", "nan", "100001", "\uff19", "1_0")
CLASSES = ("x", "-1", "1.0", "+1", "19", "1_0", "²", "100000", "1e0")
CONFIDENCES = ("abc", "nan", "inf", "7", "-0.1", "1.0001", "1e1", "1_0", "0x1", ".", "1e999", "\u0660")


def test_a_table_is_read_as_it_stands(tmp_path):
    (tmp_path / "s.csv").write_text(f"{HEADER},more\nNA,4,5,0 1 {MASK} 18 .25 {MASK},x\n007,6,7,,y\n")
    table = read_submission(tmp_path / "s.csv", 19)
    assert table.columns.tolist() == HEADER.split(",")
    assert table.iloc[:, :3].to_numpy().tolist() == [["NA", 4, 5], ["007", 6, 7]]
    assert list(triplets(table["PredictionString"][0])) == [(0, 1.0, MASK), (18, 0.25, MASK)]
    assert list(triplets(table["PredictionString"][1])) == []


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("", "the table has no rows"),
        ("a,4,4,\na,4,4,\n", "ID more than once: a (lines 2, 3)"),
        (",4,4,\n", "no ID in line 2"),
        ("a/b,4,4,\n", "line 2: ID 'a/b' contains a slash"),
        ("a,4,4\n", "line 2 has 3 values, but the header has 4 columns"),
        ("a,4,0,\n", "line 2: field 'a': ImageHeight is '0'"),
        (f"a,4,4,0 1 {MASK} 0\n", "field 'a': 4 words in PredictionString are no triplets"),
        *[
            (
                f"b,4,4,\na,{size},4,\n",
                f"line 3: field 'a': ImageWidth is {size!r}; expected pixels, a positive",
            )
            for size in SIZES
        ],
        *[
            (f"a,4,4,0 1 {MASK} {name} 1 {MASK}\n", f"detection 2 has the class {name!r}; expected 0 to 18")
            for name in CLASSES
        ],
        *[
            (
                f"a,4,4,0 {value} {MASK}\n",
                f"field 'a': detection 1 has the confidence {value!r}; expected a number from 0 to 1",
            )
            for value in CONFIDENCES
        ],
    ],
)
def test_faults_are_named_with_line_and_field(tmp_path, rows, expected):
    (tmp_path / "s.csv").write_text(f"{HEADER}\n{rows}", encoding="utf-8")
    with pytest.raises(TableError) as caught:
        read_submission(tmp_path / "s.csv", 19)
    assert expected in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path / 's.csv'}: ")


def test_missing_columns_are_named(tmp_path):
    (tmp_path / "s.csv").write_text("ID,ImageWidth\na,4\n")
    with pytest.raises(TableError, match="columns ImageHeight, PredictionString are missing"):
        read_submission(tmp_path / "s.csv")


def test_classes_are_bounded_only_where_their_number_is_known():
    assert detections_problem(f"400 1 {MASK}") is None
    assert "expected 0 to 18" in detections_problem(f"400 1 {MASK}", 19)
    with pytest.raises(SubmissionError, match="detection 1 has the class 'x'; expected a class number"):
        list(triplets(f"x 1 {MASK}"))


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.text(alphabet="0123456789.eE+-naif_x", min_size=1, max_size=12), st.floats(0, 1))
def test_a_confidence_is_a_number_from_0_to_1(text, number):
    assert detections_problem(f"0 {number!r} {MASK}") is None
    if detections_problem(f"0 {text} {MASK}") is None:
        assert 0 <= float(text) <= 1
