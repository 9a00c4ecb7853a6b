"""Grades find their cells, and notice when the masks have changed. Cells: see helpers/graded_data.py."""

import pytest
from helpers.graded_data import cells, labels, write_masks

from puzzlecell.config.grades import GradeSettings
from puzzlecell.data.store import ShardReader
from puzzlecell.teaching.grades import Grade
from puzzlecell.teaching.placing import ALONE, place

# Raw pixels: cell 1 has rows 0-39 and columns 0-39, 1600 pixels, centroid (19.5, 19.5); cell 2 columns 40-79. Cell 3
# has rows 50-69, columns 8-47, 800 pixels, its centroid at (59.5, 27.5): a disc of 800 pixels is 31.9 wide.
AS_THREE = {"area_px": 800.0, "centroid_y": 59.5, "centroid_x": 27.5}


def placed(tmp_path, *grades, image=None, **settings):
    masks, _ = write_masks(tmp_path, image=image)
    given = [
        Grade(2 + number, "w1_1", 0, 5, **{"annotator": "", **grade}) for number, grade in enumerate(grades)
    ]
    found = place(given, cells(image=image), ShardReader([masks]), GradeSettings(**settings))
    return [(row.cell, row.what) for row in found]


@pytest.mark.parametrize(
    ("grade", "cell", "what"),
    [
        ({"y": 39, "x": 39}, 1, ""),
        ({"y": 39.4, "x": 39.4}, 1, ""),
        # Pixel 40 is the first one of cell 2, and 39.5 is the border between them.
        ({"y": 0, "x": 39.5}, 2, ""),
        ({"y": 60, "x": 30, **AS_THREE}, 3, ""),
        ({"cell": 3, **AS_THREE}, 3, ""),
        ({"cell": 3}, 3, ALONE),
        ({"cell": 3, "area_px": 700}, 3, ""),
        ({"cell": 4, "y": 60, "x": 30}, 3, "cell 4 when it was graded, cell 3 now"),
        ({"y": 45, "x": 30}, 0, "background at y 45, x 30"),
        ({"y": 60, "x": 160}, 0, "y 60, x 160 is outside the field, which has 80 rows and 160 columns"),
        ({"cell": 4}, 0, "there is no cell 4 now"),
        ({"cell": 3, "area_px": 500}, 0, "cell 3 has 800 pixels now, 500 when it was graded"),
        ({"cell": 3, "area_px": 1201}, 0, "cell 3 has 800 pixels now, 1201 when it was graded"),
        # The numbers have changed: the cell is known by its centroid and area.
        ({"cell": 4, **AS_THREE}, 3, "there is no cell 4 now; found by its centroid as cell 3"),
        (
            {"cell": 1, **AS_THREE},
            3,
            "cell 1 has 1600 pixels now, 800 when it was graded; found by its centroid as cell 3",
        ),
        ({"y": 49, "x": 20, **AS_THREE}, 3, "background at y 49, x 20; found by its centroid as cell 3"),
        # 7.9 pixels are within a quarter of 31.9, 8.1 are not.
        ({"cell": 3, **AS_THREE, "centroid_y": 67.4}, 3, ""),
        (
            {"cell": 3, **AS_THREE, "centroid_y": 67.6},
            0,
            "the centroid of cell 3 is 8.1 pixels away from that of the graded cell; no other cell has this centroid "
            "and area",
        ),
    ],
)
def test_a_grade_finds_its_cell_or_says_why_not(tmp_path, grade, cell, what):
    assert placed(tmp_path, grade) == [(cell, what)]


def test_the_tolerances_are_settings(tmp_path):
    moved = {"cell": 3, **AS_THREE, "centroid_y": 67.6}
    assert placed(tmp_path, moved, most_moved=0.26) == [(3, "")]
    assert placed(tmp_path, {"cell": 3, "area_px": 1201}, most_resized=1.6) == [(3, "")]


@pytest.mark.parametrize(
    ("first", "second", "shown"),
    [
        ({"cell": 1, "y": 5, "x": 5}, {"cell": 2, "y": 5, "x": 60}, "cell 1 and cell 2"),
        ({"y": 5, "x": 5}, {"y": 5, "x": 60}, "y 5, x 5 and y 5, x 60"),
    ],
)
def test_two_graded_cells_that_are_one_now_belong_to_none(tmp_path, first, second, shown):
    image = labels().copy()
    image[image == 2] = 1
    what = f"{shown} were graded as two cells and are one, 1, now"
    assert placed(tmp_path, first, second, {"cell": 3, "y": 60, "x": 30}, image=image) == [
        (0, what),
        (0, what),
        (3, ""),
    ]
    # Two people may well point at different pixels of the same cell.
    if "cell" not in first:
        assert placed(tmp_path, first, {**second, "annotator": "b"}, image=image) == [(1, ""), (1, "")]


def test_a_field_without_cells(tmp_path):
    masks, _ = write_masks(tmp_path)
    grades = [Grade(2, field_id, 0, 5, "", cell=1) for field_id in ("rejected", "w2_1", "w1_1")]
    found = place(grades, cells(["w2_1", "w1_1"]), ShardReader([masks]), GradeSettings())
    assert [(row.grade.ID, row.cell) for row in found] == [("rejected", 0), ("w2_1", 1), ("w1_1", 1)]
    assert found[0].what == "the field has no cells in this run"
