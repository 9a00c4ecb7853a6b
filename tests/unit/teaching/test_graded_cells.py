"""Soft values of graded cells: hand-worked, and the files of a data set."""

import numpy as np
import pandas as pd
import pytest
from helpers.graded_data import CLASSES, write_masks, write_table

from puzzlecell.config.grades import GradeSettings
from puzzlecell.data.tables import read_csv, read_parquet, write_csv
from puzzlecell.data.text_tables import TableError
from puzzlecell.errors import UserError
from puzzlecell.teaching.graded_cells import (
    GradedFiles,
    grades_of,
    in_queue,
    soft_values,
    write_graded_cells,
)
from puzzlecell.teaching.grades import Grade
from puzzlecell.teaching.held_out import COLUMNS
from puzzlecell.teaching.placing import Placed


def test_people_are_averaged_after_their_grades_became_values():
    values = GradeSettings(per_class={"Cytosol": (0, 0, 0.5, 1, 1)}).values_of(CLASSES)
    rows = [
        ("b", 2, 0, 5, "p"),
        ("a", 3, 0, 2, "p"),
        ("a", 3, 0, 4, "q"),
        ("a", 3, 1, 4, "p"),
        ("a", 0, 1, 5, "p"),
    ]
    placed = [
        Placed(Grade(2, field_id, index, grade, who, cell=1), cell)
        for field_id, cell, index, grade, who in rows
    ]
    table = soft_values(placed, values)
    assert list(table) == ["ID", "cell", "annotators", "p00", "p01", "p02"]
    assert table[["ID", "cell", "annotators"]].to_numpy().tolist() == [["a", 3, 2], ["b", 2, 1]]
    # (0.2 + 0.9) / 2; a 4 of Cytosol is worth 1.
    expected = [[0.55, 1, np.nan], [1, np.nan, np.nan]]
    np.testing.assert_allclose(table[["p00", "p01", "p02"]], expected, rtol=1e-6)
    assert soft_values([], values)["p00"].tolist() == []


def test_one_person_who_saw_the_cell_in_the_random_queue_is_enough():
    rows = [
        ("a", 3, 0, "p", "random"),
        ("a", 3, 0, "q", "rare"),
        ("a", 3, 1, "p", "rare"),
        ("a", 0, 1, "p", "random"),
    ]
    placed = [
        Placed(Grade(2, field_id, index, 5, who, cell=1, queue=queue), cell)
        for field_id, cell, index, who, queue in rows
    ]
    table = soft_values(placed, GradeSettings().values_of(CLASSES))
    assert in_queue(placed, table, "random").tolist() == [[True, False, False]]


def written(tmp_path, rows, *, held=(), teaches=True, **settings):
    masks, cells = write_masks(tmp_path)
    rows_held = [("train", field_id, field_id, 1, 1) for field_id in held]
    rows_held.append(("other", "w2_1", "w2_1", 1, 1))
    write_csv(tmp_path / "held.csv", pd.DataFrame(rows_held, columns=COLUMNS))
    files = GradedFiles(tmp_path / "out.parquet", tmp_path / "out.csv", tmp_path / "out.warnings.csv")
    write_graded_cells(
        files,
        dataset="train",
        grades=write_table(tmp_path / "g.csv", rows),
        cell_tables=[cells],
        masks=[masks],
        held_out=tmp_path / "held.csv" if teaches else None,
        teaches=teaches,
        classes=write_table(
            tmp_path / "c.csv", [f"{n},{name}" for n, name in enumerate(CLASSES)], "index,name"
        ),
        settings=GradeSettings(**settings),
    )
    return read_parquet(files.cells), read_csv(files.report), read_csv(files.warnings)


ROWS = ["w1_1,,60,30,Cytosol,5,", "w2_1,3,,,Cytosol,1,", "w2_1,,45,30,Cytosol,1,"]


def test_the_files_say_what_became_of_each_grade(tmp_path):
    cells, report, warnings = written(tmp_path, ROWS, held=["w1_1"], max_unplaced=0.5)
    assert cells[["ID", "cell", "held_out", "p01"]].to_numpy().tolist() == [
        ["w1_1", 3, True, 1],
        ["w2_1", 3, False, 0],
    ]
    assert not cells[["r00", "r01", "r02"]].any(axis=None)
    assert report["line"].tolist() == [2, 3, 4]
    assert report["cell"].tolist() == [3, 3, 0]
    assert report["what"].fillna("").tolist()[::2] == ["", "background at y 45, x 30"]
    assert warnings["dataset"].tolist() == ["train", "train"]
    assert warnings["what"][0] == (
        "1 of 3 grades belong to no cell of this run and are left out, such as that in line 4 of "
        f"{tmp_path / 'g.csv'}: background at y 45, x 30"
    )
    assert warnings["what"][1].startswith("1 of 3 grades name their cells by number alone")


def test_grades_of_a_test_set_never_teach(tmp_path):
    assert written(tmp_path, ROWS, teaches=False, max_unplaced=0.5)[0]["held_out"].tolist() == [True, True]


def test_too_many_grades_without_a_cell_are_an_error(tmp_path):
    with pytest.raises(TableError) as error:
        written(tmp_path, ROWS, max_unplaced=0.3)
    first, second, *_ = str(error.value).splitlines()
    assert (
        "g.csv: 1 of 3 grades belong to no cell of this run; grades.max_unplaced permits a fraction of 0.3"
        in first
    )
    assert second == "  line 4: field w2_1: background at y 45, x 30"


def test_grades_of_the_cells_of_a_table():
    cells = pd.DataFrame({"ID": ["a", "a", "b"], "cell": np.int32([1, 2, 1]), "p00": 0.5})
    graded = soft_values([Placed(Grade(2, "b", 1, 4, "", cell=1), 1)], GradeSettings().values_of(CLASSES))
    expected = [[np.nan] * 3, [np.nan] * 3, [np.nan, 0.9, np.nan]]
    np.testing.assert_allclose(grades_of(cells, graded, "x.parquet"), expected, rtol=1e-6)
    # A whole field may be in no fold; a single cell of another one may not be missing.
    assert np.isnan(grades_of(cells[:2], graded, "g.parquet")).all()
    with pytest.raises(
        UserError, match="g.parquet: there are no predictions for 1 graded cells, such as cell 1 of b"
    ):
        grades_of(cells.assign(cell=np.int32([1, 2, 3])), graded, "g.parquet")
