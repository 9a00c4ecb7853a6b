"""What networks learn from grades: hand-worked targets."""

import numpy as np
import pandas as pd
import pytest

from puzzlecell.config.cell_stage import TargetSettings
from puzzlecell.data.tables import probability_table, read_parquet, write_csv, write_parquet
from puzzlecell.data.text_tables import TableError
from puzzlecell.teaching.graded_targets import graded_targets, overruled, write_graded_targets
from puzzlecell.teaching.targets import FieldFacts, TeacherTables, write_targets

NAN = np.nan
FOLDS = {"a": 1, "b": 2, "h": 1}


def graded(*rows):
    """Rows of ID, cell, held out, and three values."""
    table = pd.DataFrame(rows, columns=["ID", "cell", "held_out", "p00", "p01", "p02"])
    table.insert(2, "annotators", np.int32(1))
    return table.astype({"p00": np.float32, "p01": np.float32, "p02": np.float32, "held_out": bool})


def values(table):
    return table[["p00", "p01", "p02"]].to_numpy()


def test_held_out_cells_and_fields_without_a_fold_teach_nothing():
    table = graded(
        ("a", 1, False, 1, NAN, NAN),
        ("h", 1, True, 1, 1, 1),
        ("z", 1, False, 1, 1, 1),
        ("b", 7, False, 0, 1, 0),
    )
    found = graded_targets(table, FOLDS)
    assert found[["ID", "cell", "fold"]].to_numpy().tolist() == [["a", 1, 1], ["b", 7, 2]]
    np.testing.assert_array_equal(values(found), [[1, NAN, NAN], [0, 1, 0]])
    assert found["p00"].dtype == np.float32
    assert graded_targets(table, None)["fold"].tolist() == [0, 0, 0]


def test_grades_overrule_predictions_class_by_class():
    targets = pd.DataFrame(
        {
            "ID": ["b", "a", "a", "h"],
            "cell": [7, 1, 2, 1],
            "fold": np.int32([2, 1, 1, 1]),
            "p00": np.float32([0.5, 0.9, 0.3, 0.4]),
            "p01": np.float32([0.6, 0.8, NAN, 0.4]),
            "p02": np.float32([0.4, 0.1, 0.7, 0.6]),
        }
    )
    table = graded(
        ("a", 1, False, 0.2, NAN, NAN),
        ("a", 2, False, NAN, 0.9, NAN),
        ("a", 9, False, NAN, NAN, 1.0),
        ("b", 7, False, NAN, NAN, 0.7),
        ("h", 1, True, 1, 1, 1),
    )
    found = overruled(targets, table, FOLDS)
    assert found[["ID", "cell", "fold"]].to_numpy().tolist() == [
        ["b", 7, 2],
        ["a", 1, 1],
        ["a", 2, 1],
        ["h", 1, 1],
        ["a", 9, 1],
    ]
    expected = [[0.5, 0.6, 0.7], [0.2, 0.8, 0.1], [0.3, 0.9, 0.7], [0.4, 0.4, 0.6], [NAN, NAN, 1]]
    np.testing.assert_array_equal(values(found), np.float32(expected))
    # Negative with 0.7: other predictions are at most 0.3. Cytosol with 0.9: Negative is at most 0.1.
    expected[0], expected[2] = [0.3, 0.3, 0.7], [0.3, 0.9, 0.1]
    np.testing.assert_allclose(values(overruled(targets, table, FOLDS, negative=2)), expected, atol=1e-6)
    assert found["fold"].dtype == np.int32
    assert set(found.dtypes[3:]) == {np.dtype(np.float32)}
    with pytest.raises(ValueError, match="2 classes are predicted, but 3 graded"):
        overruled(targets.drop(columns="p02"), table, FOLDS)


def test_targets_of_a_graded_stage(tmp_path, caplog):
    caplog.set_level("INFO")
    folds = pd.DataFrame({"ID": ["a", "b", "a2"], "dataset": ["train", "train", "other"], "fold": [1, 2, 1]})
    write_csv(tmp_path / "folds.csv", folds)
    write_parquet(tmp_path / "graded.parquet", graded(("a", 1, False, 1, NAN, NAN), ("h", 1, True, 1, 1, 1)))

    def write(**given):
        given = {"graded": tmp_path / "graded.parquet", "folds": tmp_path / "folds.csv", **given}
        write_graded_targets(tmp_path / "t.parquet", dataset="train", **given)
        return read_parquet(tmp_path / "t.parquet")

    assert write()["fold"].tolist() == [1]
    assert "all graded cells that teach are in fold 1" in caplog.text
    assert write(folds=None)["fold"].tolist() == [0]
    write_parquet(tmp_path / "graded.parquet", graded(("h", 1, True, 1, 1, 1)))
    with pytest.raises(
        TableError, match="no graded cell of train is left to learn from: 1 are graded, 1 of them held"
    ):
        write()


def test_predicted_targets_of_a_data_set_with_grades(tmp_path):
    """The teacher predicts cell 1 of each field; of field a, cell 2 is of low quality, but graded."""
    cells = pd.DataFrame({"ID": ["a", "a", "b"], "cell": np.int32([1, 2, 1]), "border_quality": [1, 0.1, 1]})
    write_parquet(tmp_path / "cells.parquet", cells.assign(outlier_quality=1.0))
    given = np.float32([[1, 0.5, 0], [1, 0.5, 0], [1, 0.5, 0]])
    predicted = probability_table({"ID": cells["ID"], "cell": cells["cell"]}, given)
    for fold, field_id in ((1, "a"), (2, "b")):
        write_parquet(tmp_path / f"{fold}.parquet", predicted[predicted["ID"] == field_id])
    write_parquet(
        tmp_path / "graded.parquet", graded(("a", 1, False, NAN, 0.9, NAN), ("a", 2, False, NAN, NAN, 1))
    )
    folds = pd.Series({"a": 1, "b": 2})
    present = pd.DataFrame(1, index=["a", "b"], columns=["x", "y", "z"])
    present["z"] = 0

    def write(table):
        write_targets(
            tmp_path / "t.parquet",
            dataset="train",
            teachers=[TeacherTables(1.0, {1: tmp_path / "1.parquet", 2: tmp_path / "2.parquet"})],
            cell_tables=[tmp_path / "cells.parquet"],
            fields=FieldFacts(folds, present),
            classes=["x", "y", "z"],
            negative=2,
            settings=TargetSettings(combine="mean"),
            graded=table,
        )
        return read_parquet(tmp_path / "t.parquet")

    np.testing.assert_allclose(values(write(None)), [[1, 0.5, 0], [1, 0.5, 0]])
    found = write(tmp_path / "graded.parquet")
    assert found[["ID", "cell", "fold"]].to_numpy().tolist() == [["a", 1, 1], ["b", 1, 2], ["a", 2, 1]]
    np.testing.assert_allclose(values(found), [[1, 0.9, 0], [1, 0.5, 0], [NAN, NAN, 1]], rtol=1e-6)
