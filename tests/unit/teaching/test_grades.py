"""Tables of grades, and what is said about those that cannot be read."""

import subprocess
import sys

import pytest
from helpers.graded_data import CLASSES, write_table

from puzzlecell.data.text_tables import TableError
from puzzlecell.teaching.grades import Grade, read_grades


def test_cells_are_named_by_number_or_by_pixel(tmp_path):
    rows = ["a,7,,,Cytosol,5,ann", "a,,3.5,4,2,1,", "b,2,0,1,nucleoplasm,3,"]
    assert read_grades(write_table(tmp_path / "g.csv", rows), CLASSES, known={"a", "b"}) == [
        Grade(2, "a", 1, 5, "ann", cell=7),
        Grade(3, "a", 2, 1, "", y=3.5, x=4.0),
        Grade(4, "b", 0, 3, "", cell=2, y=0.0, x=1.0),
    ]


def test_the_cell_as_it_was_is_read_and_columns_may_be_missing(tmp_path):
    header = "class;grade;ID;cell;area_px;centroid_y;centroid_x;comment"
    table = write_table(tmp_path / "g.csv", ["Cytosol;4;a;1;12.5;3;4;what, a cell"], header)
    assert read_grades(table, CLASSES) == [Grade(2, "a", 1, 4, "", 1, None, None, 12.5, 3.0, 4.0)]


def test_the_queue_in_which_a_cell_came_up(tmp_path):
    header = "ID,cell,class,grade,queue"
    table = write_table(tmp_path / "g.csv", ["a,1,Cytosol,4,random", "a,2,Cytosol,4,"], header)
    assert [grade.queue for grade in read_grades(table, CLASSES)] == ["random", ""]
    write_table(table, ["a,1,Cytosol,4,Random"], header)
    with pytest.raises(
        TableError, match="line 2: queue 'Random'; expected uncertain, disagree, rare, random, or"
    ):
        read_grades(table, CLASSES)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("c,1,,,Cytosol,5,", "ID 'c' is that of no field of this data set"),
        ("a/b,1,,,Cytosol,5,", "ID 'a/b' contains a slash"),
        ("a,1,,,Cytosole,5,", "class 'Cytosole' is no class and no location; did you mean Cytosol?"),
        ("a,1,,,3,5,", "class 3; expected a name, or a number from 0 to 2"),
        ("a,1,,,,5,", "no class"),
        (
            "a,1,,,Midbody,5,",
            "class 'Midbody' is a location that has no class in the class table; delete the row",
        ),
        ("a,1,,,Cytosol,6,", "grade '6'; expected a whole number from 1 to 5"),
        ("a,1,,,Cytosol,0.7,", "grade '0.7'; expected a whole number from 1 to 5"),
        ("a,0,,,Cytosol,5,", "cell '0'; expected the number of a cell, from 1"),
        ("a,1.5,,,Cytosol,5,", "cell '1.5'; expected the number of a cell, from 1"),
        ("a,,-1,3,Cytosol,5,", "y '-1'; expected a number of pixels, from 0"),
        ("a,,1,inf,Cytosol,5,", "x 'inf'; expected a number of pixels, from 0"),
        ("a,,,3,Cytosol,5,", "x without y; expected both or none"),
        (
            "a,,,,Cytosol,5,",
            "neither cell nor y and x; expected the number of the cell, or a pixel inside it",
        ),
        (
            "a,9,1,1,Cytosol,2,ann",
            "this class of this cell is graded by 'ann' in line 2 already; delete one of the rows",
        ),
    ],
)
def test_wrong_rows_are_named_with_their_line(tmp_path, row, expected):
    table = write_table(tmp_path / "g.csv", ["a,9,,,Cytosol,5,ann", row])
    with pytest.raises(TableError) as error:
        read_grades(table, CLASSES, known={"a"})
    assert str(error.value).startswith(f"{table}: line 3: {expected}")
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("header", "rows", "expected"),
    [
        (
            "ID,class,grade",
            ["a,0,1"],
            "no column cell, and no column y and x; expected the number of the cell",
        ),
        ("ID,class,grade,y", ["a,0,1,2"], "no column cell, and no column x; expected"),
        (
            "ID,Class,grade,cell",
            ["a,0,1,2"],
            "column class is missing; found 'ID', 'Class', 'grade', 'cell'; names",
        ),
        ("ID,class,grade,cell", [], "the table has no rows; expected a row per grade, or no table"),
    ],
)
def test_unusable_tables(tmp_path, header, rows, expected):
    table = write_table(tmp_path / "g.csv", rows, header)
    with pytest.raises(TableError) as error:
        read_grades(table, CLASSES)
    assert str(error.value).startswith(f"{table}: {expected}")


def test_locations_without_a_class_are_left_out_if_configured(tmp_path):
    table = write_table(tmp_path / "g.csv", ["a,1,,,Midbody,5,", "a,1,,,Cytosol,5,"])
    assert [grade.line for grade in read_grades(table, CLASSES, without_class="leave_out")] == [3]


def test_checking_imports_nothing_heavy():
    code = "import sys, puzzlecell.teaching.grades; print(*{'torch', 'pandas', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
