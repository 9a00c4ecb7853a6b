import numpy as np
import pytest

from puzzlecell.data.labels import LabelError, read_ids, read_labels
from puzzlecell.data.tables import probability_columns

NAMES = ["a", "b", "c"]


def write(tmp_path, text):
    path = tmp_path / "labels.csv"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    "text",
    [
        "ID,Label\nx,0|2\ny,1\n",
        'ID,Label\nx,"[0, 2]"\ny,[1]\n',
        "ID,a,b,c\nx,1,0,1\ny,0,1,0\n",
        'ID,Label,ext,a,b,c\nx,"[2, 0]",2018,1,0,1\ny,[1],2018,0,1,0\n',
    ],
)
def test_all_label_formats_give_the_same_table(tmp_path, text):
    labels = read_labels(write(tmp_path, text), NAMES)
    assert labels.index.tolist() == ["x", "y"]
    assert labels.columns.tolist() == NAMES
    np.testing.assert_array_equal(labels, [[1, 0, 1], [0, 1, 0]])


def test_ids_that_look_like_numbers_or_missing_values_stay_text(tmp_path):
    labels = read_labels(write(tmp_path, "ID,Label\n007,0\nNA,1\n1e3,2\n"), NAMES)
    assert labels.index.tolist() == ["007", "NA", "1e3"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ID,Label\nx,3\n", "field x has unknown label 3; expected 0 to 2"),
        ("ID,Label\nx,-1\n", "unknown label -1"),
        ("ID,Label\nx,\n", "field x has label ''"),
        ("ID,Label\nx,zero\n", "field x has label 'zero'"),
        ("ID,Label\nx,0\nx,1\n", "ID more than once: x"),
        ("ID,a,b\nx,0,1\n", "missing: c"),
        ("ID,a,b,c\nx,0,0,0\n", "field x has no label; expected"),
        ("ID,a,b,c\nx,0,2,0\n", "field x has values other than 0 and 1"),
        ("name,Label\nx,0\n", "a column ID is missing"),
        ("ID,Label\n", "the table has no rows"),
        ("ID,Label\n,0\n", "no ID in line 2"),
    ],
)
def test_problems_are_named(tmp_path, text, expected):
    path = write(tmp_path, text)
    with pytest.raises(LabelError, match="labels.csv") as caught:
        read_labels(path, NAMES)
    assert expected in str(caught.value)


def test_all_problems_are_reported_together(tmp_path):
    with pytest.raises(LabelError) as caught:
        read_labels(write(tmp_path, "ID,Label\nx,7\ny,0\nz,oops\n"), NAMES)
    assert "field x" in str(caught.value)
    assert "field z" in str(caught.value)


def test_missing_table(tmp_path):
    with pytest.raises(LabelError, match="there is no such table"):
        read_ids(tmp_path / "none.csv")


def test_probability_columns():
    assert probability_columns(19)[::9] == ["p00", "p09", "p18"]
