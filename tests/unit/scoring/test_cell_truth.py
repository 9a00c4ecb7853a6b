"""Classes of segmented cells from the true cells that they are."""

import numpy as np
import pandas as pd
import pytest

from puzzlecell.config.score import ScoreSettings
from puzzlecell.data.rle import encode_mask
from puzzlecell.data.store import write_shard
from puzzlecell.data.tables import probability_table, write_parquet
from puzzlecell.scoring.cell_truth import cell_truth, graded_cells, known_cells
from puzzlecell.scoring.matching import ScoreError

SIDE = 20


def box(y0, y1, x0, x1):
    mask = np.zeros((SIDE, SIDE), bool)
    mask[y0:y1, x0:x1] = True
    return mask


def labels():
    """Cells 1, 2 and 3: rows 0 to 9, half of it shared; rows 10 to 19 on the left; a spot on the right."""
    image = np.zeros((SIDE, SIDE), np.uint16)
    image[box(0, 10, 0, 10)], image[box(10, 20, 0, 10)], image[box(15, 17, 15, 17)] = 1, 2, 3
    return image


# Of cell 1, 80 %, showing two classes; of cell 2, 50 %; nothing of cell 3.
TRUTH = " ".join(
    f"{index} 1 {encode_mask(mask)}"
    for index, mask in ((0, box(0, 8, 0, 10)), (2, box(0, 8, 0, 10)), (1, box(10, 15, 0, 10)))
)
CELLS = pd.DataFrame({"ID": ["a", "a", "a"], "cell": [3, 1, 2], "fold": [1, 1, 1]})


def table(ids=("a",)):
    return pd.DataFrame({"ID": ids, "ImageWidth": SIDE, "ImageHeight": SIDE, "PredictionString": TRUTH})


@pytest.mark.parametrize(
    ("threshold", "second"), [(0.6, [np.nan] * 3), (0.5, [0, 1, 0])], ids=["too little", "enough"]
)
def test_a_cell_has_the_classes_of_the_true_cell_that_it_is(threshold, second):
    found = cell_truth(
        CELLS, {"a": labels()}.get, table(), classes=3, settings=ScoreSettings(iou_threshold=threshold)
    )
    np.testing.assert_array_equal(found, [[np.nan] * 3, [1, 0, 1], second])


def test_a_true_cell_is_only_the_one_that_it_overlaps_most():
    halves = np.zeros((SIDE, SIDE), np.uint16)
    halves[box(0, 5, 0, 10)], halves[box(5, 8, 0, 10)] = 1, 2
    found = cell_truth(
        CELLS[1:], {"a": halves}.get, table(), classes=3, settings=ScoreSettings(iou_threshold=0.3)
    )
    np.testing.assert_array_equal(found, [[1, 0, 1], [np.nan] * 3])


def test_known_cells_are_read_from_the_files_of_a_run(tmp_path):
    images = labels()[None]
    sizes = {"height": np.array([SIDE]), "width": np.array([SIDE])}
    write_shard(tmp_path / "masks.h5", ["a"], {"cells": images, "nuclei": images, **sizes}, {})
    # The truth of fields without out-of-fold predictions does not matter.
    table(["a", "b"]).to_csv(tmp_path / "truth.csv", index=False)
    found = known_cells(
        CELLS, tmp_path / "truth.csv", [tmp_path / "masks.h5"], classes=3, settings=ScoreSettings()
    )
    assert found.cells.to_numpy().tolist() == [["a", 1, 1]]
    np.testing.assert_array_equal(found.truth, [[1, 0, 1]])


def test_cells_of_fields_without_truth_are_refused():
    with pytest.raises(ScoreError, match="no ground truth for 1 fields with cells, such as a"):
        cell_truth(CELLS, {"a": labels()}.get, table(["x"]), classes=3, settings=ScoreSettings())


def test_graded_cells_are_known_unless_they_are_held_out(tmp_path):
    keys = {"ID": ["a", "a", "b"], "cell": np.int32([1, 2, 1])}
    graded = probability_table(keys, np.array([[0.2, 0.5, np.nan], [1, 1, 1], [np.nan, np.nan, 0.7]]))
    graded.insert(2, "held_out", [False, True, False])
    write_parquet(tmp_path / "graded.parquet", graded)
    cells = pd.DataFrame({"ID": ["b", "a", "a", "a"], "cell": [1, 3, 2, 1], "fold": [2, 1, 1, 1]})
    found = graded_cells(cells, tmp_path / "graded.parquet")
    assert found.cells.to_numpy().tolist() == [["b", 1, 2], ["a", 1, 1]]
    np.testing.assert_array_equal(found.truth, [[np.nan, np.nan, 1], [0, 1, np.nan]])
