import time

import numpy as np
import pytest

from puzzlecell.data import labels as labels_module
from puzzlecell.data.labels import LabelError, read_ids, read_labels
from puzzlecell.data.tables import probability_columns
from puzzlecell.data.text_tables import read_text_table

NAMES = ["a", "b", "c"]


def write(tmp_path, text):
    path = tmp_path / "labels.csv"
    path.write_text(text, encoding="utf-8")
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


UNREADABLE = [
    "",
    "zero",
    "-1",
    "+1",
    "1.0",
    "1_6",
    "0x1",
    "1e0",
    "\uff10",
    "1|",
    "|1",
    "1||2",
    "0,1",
    "0 1",
    "{}",
    "[]",
    "[0",
    "[0.7, 16]",
    "['3', True]",
    "[[0]]",
    "[0,]",
    "(0, 1)",
    "1" * 5000,
    "[" * 100_000,
]


@pytest.mark.parametrize("label", UNREADABLE, ids=lambda label: label[:10])
def test_only_plain_numbers_are_labels(tmp_path, label):
    path = write(tmp_path, f'ID,Label\nx,0\ny,"{label}"\n')
    with pytest.raises(
        LabelError, match=r"line 3: field y has label .* expected class numbers such as 0\|16"
    ):
        read_labels(path, NAMES)


@pytest.mark.parametrize("label", ["0|2", " 0 | 2 ", "[0,2]", "[ 0 , 2 ]", "2|0|0", "[0, 0, 2]", "00|02"])
def test_ways_to_write_a_label(tmp_path, label):
    labels = read_labels(write(tmp_path, f'ID,Label\nx,"{label}"\n'), NAMES)
    np.testing.assert_array_equal(labels, [[1, 0, 1]])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ID,Label\nx,3\n", "line 2: field x has unknown label 3; expected 0 to 2"),
        ("ID,Label\nx,0\nx,1\ny,0\nx,1\n", "ID more than once: x (lines 2, 3, 5)"),
        ("ID,a,b\nx,0,1\n", "missing: c"),
        ("ID,a,b,c\nx,0,0,0\n", "line 2: field x has no label; expected"),
        ("ID,a,b,c\ny,1,0,0\nx,0,2,0\n", "line 3: field x has '2' in the column b; expected 0 or 1"),
        ("ID,a,b,c\nx,0,1.0,0\n", "'1.0' in the column b"),
        ("ID,a,b,c\nx,0,,1\n", "'' in the column b"),
        ("ID,a,b,c\nx,True,0,0\n", "'True' in the column a"),
        (
            "ID,Label,a,b,c\ny,1,0,1,0\nx,0,1,0,1\n",
            "line 3: field x has the label '0', but its class columns",
        ),
        ("ID,Label,a,b,c\nx,0,0.9,0,0\n", "delete the column Label or the class columns"),
        ("name,Label\nx,0\n", "column ID is missing; found 'name', 'Label'"),
        ("ID,Label\n", "the table has no rows"),
        ("ID,Label\n,0\nx,0\n,0\n", "no ID in line 2, 4"),
        ('ID,Label\n"x,y",0\n', "line 2: ID 'x,y' contains a comma"),
        ("ID,Label\ny,0\n../x,0\n", "line 3: ID '../x' contains a slash"),
        ('ID,Label,note\ny,0,"two\nlines"\n.x,0,\n', "line 4: ID '.x' begins with a full stop"),
    ],
)
def test_problems_are_named(tmp_path, text, expected):
    path = write(tmp_path, text)
    with pytest.raises(LabelError, match="labels.csv") as caught:
        read_labels(path, NAMES)
    assert expected in str(caught.value)


def test_long_lists_of_problems_are_cut(tmp_path):
    with pytest.raises(LabelError) as caught:
        read_labels(write(tmp_path, "ID,Label\n" + "".join(f"x{n},9\n" for n in range(500))), NAMES)
    lines = str(caught.value).splitlines()
    assert len(lines) == 21
    assert lines[-1].endswith("and 480 more of this kind")


def test_a_table_that_is_read_again_is_kept_until_it_changes(tmp_path, monkeypatch):
    path = write(tmp_path, "ID\nx\n")
    parsed = []
    monkeypatch.setattr(labels_module, "read_text_table", lambda *a: parsed.append(a) or read_text_table(*a))
    ahead = time.time_ns() + 10**10
    with monkeypatch.context() as later:
        later.setattr(time, "time_ns", lambda: ahead)
        first = read_ids(path)
        first.loc[2, "ID"] = "changed by the caller"
        assert read_ids(path)["ID"].tolist() == ["x"]
        assert len(parsed) == 1
        path.write_text("ID\ny2\n")
        assert read_ids(path)["ID"].tolist() == ["y2"]
    # Two changes within the resolution of time stamps.
    path.write_text("ID\nz2\n")
    assert read_ids(path)["ID"].tolist() == ["z2"]


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
