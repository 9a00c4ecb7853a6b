import csv
import logging
import time
from collections import Counter

import numpy as np
import pytest
from helpers.paths import ROOT, SHARED

from puzzlecell.config.class_table import read_classes
from puzzlecell.data import labels as labels_module
from puzzlecell.data.class_names import CLASS_OF_LOCATION, ClassNames
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
        "ID,Label\nx,c|a\ny,b\n",
        "ID,Label\nx,c;a\ny, B \n",
        'ID;Label\r\nx;"a,c"\r\ny;b\r\n',
        "\ufeffID\tLabel\nx\ta; c\ny\tb\n",
        "ID,2,1,0\nx,1,0,1\ny,0,1,0\n",
        "ID;Label;2;1;0\nx;0|2;1;0;1\ny;1;0;1;0\n",
    ],
)
def test_all_label_formats_give_the_same_table(tmp_path, text):
    labels = read_labels(write(tmp_path, text), NAMES)
    assert labels.index.tolist() == ["x", "y"]
    assert labels.columns.tolist() == NAMES
    np.testing.assert_array_equal(labels, [[1, 0, 1], [0, 1, 0]])


ATLAS = [
    *(f"class {n}" for n in range(3)),
    "Plasma membrane",
    "Vesicles and punctate cytosolic patterns",
    "Negative",
]


@pytest.mark.parametrize(
    "text",
    [
        "ID,Label\nx,Cell Junctions|plasma  membrane|Class 1\ny,No staining\nz,Lysosomes;Vesicles\n",
        "ID,Lysosomes,Endosomes,Plasma membrane,Cell Junctions,class 0,class 1,class 2,No staining\n"
        "x,0,0,0,1,0,1,0,0\ny,0,0,0,0,0,0,0,1\nz,0,1,0,0,0,0,0,0\n",
    ],
)
def test_locations_of_the_atlas_are_found_by_name_in_any_class_table(tmp_path, text):
    labels = read_labels(write(tmp_path, text), ATLAS)
    np.testing.assert_array_equal(labels, [[0, 1, 0, 1, 0, 0], [0, 0, 0, 0, 0, 1], [0, 0, 0, 0, 1, 0]])


def test_every_location_has_its_class_or_is_known_to_have_none():
    names = ClassNames(read_classes(ROOT / "config/classes.csv"))
    found = {name: names.index(name) for name in CLASS_OF_LOCATION}
    # reference: the mapping of the challenge for public images
    groups = {9: "Focal adhesion sites", 12: "Centriolar satellite", 13: "Cell Junctions", 18: "No staining"}
    assert all(found[name] == index for index, name in groups.items())
    vesicles = {"Vesicles", "Peroxisomes", "Endosomes", "Lysosomes", "Lipid droplets", "Cytoplasmic bodies"}
    assert {name for name, index in found.items() if index == 17} == vesicles
    assert {index for index in found.values() if index is not None} == set(range(19))
    without = {name for name, index in found.items() if index is None}
    assert without >= {
        "Cleavage furrow",
        "Cytokinetic bridge",
        "Midbody",
        "Midbody ring",
        "Microtubule ends",
        "Mitotic chromosome",
        "Nucleoli rim",
        "Rods & Rings",
    }
    assert not without & set(names.classes)
    page = (ROOT / "docs/file-formats.md").read_text()
    assert all(name in page for name in CLASS_OF_LOCATION)


WITHOUT_CLASS = [
    "ID,Label\nx,a|Midbody\ny,Midbody\nz,b\nw,Cytosol;Rods & Rings\n",
    "ID,a,b,c,Midbody,Cytosol\nx,1,0,0,1,0\ny,0,0,0,1,0\nz,0,1,0,0,0\nw,0,0,0,0,1\n",
]


@pytest.mark.parametrize("text", WITHOUT_CLASS)
def test_locations_without_a_class_are_refused_or_left_out_and_counted(tmp_path, text, caplog):
    path = write(tmp_path, text)
    with pytest.raises(
        LabelError, match=r"Midbody \(2 fields\), Cytosol \(1 fields\).*without_class: leave_out"
    ):
        read_labels(path, NAMES)
    with caplog.at_level(logging.INFO, "puzzlecell"):
        labels = read_labels(path, NAMES, "leave_out")
    assert labels.index.tolist() == ["x", "z"]
    np.testing.assert_array_equal(labels, [[1, 0, 0], [0, 1, 0]])
    assert "Midbody (2 fields), Cytosol (1 fields)" in caplog.text
    assert "fields that have no other and are left out: 2" in caplog.text


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("ID,Label\nx,0|1\n", "class numbers in the column Label; separator: comma"),
        ("ID;Label\nx;a\n", "names of classes in the column Label; separator: semicolon"),
        ("ID\tLabel\nx\tMidbody;a\n", "names of locations in the column Label; separator: tab"),
        ("ID,a,b,c\nx,1,0,0\n", "one column per class, named after it; separator: comma"),
        ("ID,0,1,2\nx,1,0,0\n", "one column per class, named by its number; separator: comma"),
    ],
)
def test_the_log_says_how_labels_are_written(tmp_path, text, form, caplog):
    with caplog.at_level(logging.INFO, "puzzlecell"):
        read_labels(write(tmp_path, text), NAMES, "leave_out")
    assert caplog.messages[0].endswith(f"1 fields; labels: {form}")


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
        (
            "ID,Label\nx,a\ny,Cytsol\nz,b\n",
            "line 3: field y has label 'Cytsol', which is no class and no location; ",
        ),
        ("ID,Label\nx,a\ny,a|Cytsol\n", "label 'a|Cytsol', in which 'Cytsol' is no class"),
        ("ID,Label\nx,a\ny,Cytsol\n", "did you mean Cytosol?"),
        ("ID,Label\nx,a\ny,quite another\n", "the classes are a, b, c"),
        ("ID,Label\nx,a\ny,b|\n", "line 3: field y has label 'b|', in which a name is missing"),
        ("ID,Label\nx,a\ny,\nz,b\n", "line 3: field y has no label; expected the name of a class"),
        ("ID,Label\nx,a\ny,b\nz,1\n", "line 4: field z has label '1', which is no class"),
        (
            "ID,a,b,c,Cytosoll\nx,1,0,0,1\n",
            "the column 'Cytosoll' is no class and no location; did you mean Cytosol?",
        ),
        ("ID,0,1,2\nx,1,0,7\n", "'7' in the column 2; expected 0 or 1"),
        ("ID,0,1,2,3\nx,1,0,0,1\n", "the column 3 is the number of no class; expected 0 to 2"),
        ("ID,Label,0,1,2\nx,0,0,1,0\n", "but its class columns say otherwise"),
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


@pytest.mark.shared
@pytest.mark.skipif(not (SHARED / "labels").is_dir(), reason=f"no folder {SHARED / 'labels'}")
@pytest.mark.parametrize(
    ("name", "split", "fields"),
    [("train.csv", "|", 21806), ("train_cleaned_2018.csv", ",", 9102)],
)
def test_the_tables_of_the_challenges_have_the_counts_that_a_plain_count_finds(name, split, fields):
    path = SHARED / "labels" / name
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    plain = Counter(
        number for row in rows for number in {int(text) for text in row["Label"].strip("[]").split(split)}
    )
    labels = read_labels(path, read_classes(ROOT / "config/classes.csv"))
    assert len(labels) == len(rows) == fields
    assert dict(enumerate(labels.sum().tolist())) == {number: plain[number] for number in range(19)}
