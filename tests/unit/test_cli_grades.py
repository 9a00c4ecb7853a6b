"""`puzzlecell grades check`. Masks: see helpers/graded_data.py."""

import pandas as pd
import pytest
from helpers.graded_data import write_masks, write_table
from helpers.paths import ROOT

from puzzlecell.cli.main import main

HEADER = "ID,cell,class,grade,annotator,area_px,centroid_y,centroid_x,queue"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the default configuration, and masks of a data set `test` with the fields w1_1, w1_2 and w2_1."""
    for name in ("config.yaml", "classes.csv"):
        (tmp_path / "config").mkdir(exist_ok=True)
        (tmp_path / "config" / name).write_text((ROOT / "config" / name).read_text())
    masks = tmp_path / "results/masks/test"
    masks.mkdir(parents=True)
    (tmp_path / "made").mkdir()
    for path, name in zip(write_masks(tmp_path / "made"), ("000.h5", "000.cells.parquet"), strict=True):
        path.rename(masks / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def checked(capsys, *arguments):
    status = main(["grades", "check", *map(str, arguments)])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def tables(folder, ann, bea):
    return [write_table(folder / f"{name}.csv", rows, HEADER) for name, rows in (("ann", ann), ("bea", bea))]


def test_people_who_agree(folder, capsys):
    same = ["w1_1,3,Cytosol,5,{},800,59.5,27.5,random", "w1_1,1,Cytosol,1,{},1600,19.5,19.5,rare"]
    given = tables(folder, *([row.format(who) for row in same] for who in ("ann", "bea")))
    status, out, _ = checked(capsys, *given)
    assert status == 0
    assert (
        "4 grades of 2 cells by 2: ann, bea\nqueues: random 2, rare 2\nno grades of 18 classes: Nucleoplasm"
        in out
    )
    assert "masks of test:\n  " in out
    assert f"{given[0]}: 2 grades at their cells as they were\n" in out
    assert "Cytosol      2      2 1.000  1.000" in out
    assert out.endswith("conflicts: 0\n")


def test_conflicts_and_cells_that_have_moved(folder, capsys):
    # Cell 4 is cell 3 now; the area of cell 1 is another one; cell 2 is named by its number alone.
    given = tables(
        folder,
        ["w1_1,4,Cytosol,5,ann,800,59.5,27.5,", "w1_1,1,Cytosol,5,ann,90,5,5,"],
        ["w1_1,3,Cytosol,2,bea,800,59.5,27.5,", "w1_2,2,Cytosol,1,bea,,,,"],
    )
    status, out, _ = checked(capsys, *given, "--dataset", "test", "--output", folder / "conflicts.csv")
    assert status == 3
    assert f"{given[0]}: 0 grades at their cells as they were; 1 at cells that have another number now" in out
    assert (
        "; 1 belong to no cell of this run\n    line 3: field w1_1: cell 1 has 1600 pixels now, 90 when"
        in out
    )
    assert "    line 2: field w1_1: there is no cell 4 now; found by its centroid as cell 3\n" in out
    assert "1 name the cell by number alone, so that a change would not be noticed" in out
    assert (
        f"conflicts: 1\n  field w1_1: Cytosol: ann 5 ({given[0]}, line 2), bea 2 ({given[1]}, line 2)" in out
    )
    row = pd.read_csv(folder / "conflicts.csv").to_dict("records")[0]
    assert [row[name] for name in ("kind", "cell", "class", "grade_1", "line_2")] == [
        "differ",
        3,
        "Cytosol",
        5,
        2,
    ]


def test_without_masks_cells_are_compared_by_number(folder, capsys):
    (folder / "results").rename(folder / "elsewhere")
    given = tables(folder, ["q,9,Cytosol,5,ann,,,,"], ["q,9,Cytosol,1,bea,,,,"])
    status, out, _ = checked(capsys, *given)
    assert status == 3
    assert "masks: not compared" in out
    assert "conflicts: 1\n" in out


@pytest.mark.parametrize(
    ("rows", "options", "expected"),
    [
        (["w1_1,1,Cytosole,5,ann,,,,", "w9,1,Cytosol,5,ann,,,,"], [], "line 2: class 'Cytosole' is no class"),
        (
            ["w1_1,1,Cytosol,5,ann,,,,", "w9,1,Cytosol,5,ann,,,,"],
            [],
            "line 3: ID 'w9' is that of no field of this",
        ),
        (
            ["w1_1,1,Cytosol,5,ann,,,,", "w1_1,1,Cytosol,4,ann,,,,"],
            [],
            "line 3: this class of this cell is graded by",
        ),
        (["q,1,Cytosol,5,ann,,,,"], [], "masks has the graded fields, such as 'q'; found the data sets test"),
        (["w1_1,1,Cytosol,5,ann,,,,"], ["--dataset", "tset"], "has no data set tset; found test"),
        (
            ["w1_1,1,Cytosol,5,ann,,,,"],
            ["--results", "nowhere"],
            "nowhere/masks: there are no masks; expected",
        ),
        (["w1_1,1,Cytosol,5,ann,,,,"], ["--configfile", "other.yaml"], "other.yaml: "),
    ],
)
def test_unusable_tables_and_options(folder, capsys, rows, options, expected):
    status, _, err = checked(capsys, write_table(folder / "g.csv", rows, HEADER), *options)
    assert status == 1
    assert expected in err
    assert "Traceback" not in err


def test_a_table_named_twice(folder, capsys):
    table = write_table(folder / "g.csv", ["w1_1,1,Cytosol,5,ann,,,,"], HEADER)
    status, _, err = checked(capsys, table, table)
    assert status == 1
    assert "a table is named twice" in err
