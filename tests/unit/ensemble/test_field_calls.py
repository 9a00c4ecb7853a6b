"""The answer per field against hand-worked cases."""

import numpy as np
import pandas as pd
import pytest

from puzzlecell.config.fields import CellVoteSettings, FieldSettings
from puzzlecell.data.tables import probability_table, read_csv, write_csv, write_parquet
from puzzlecell.ensemble.field_calls import (
    cell_probabilities,
    decide,
    hpa2018_table,
    with_fill,
    write_field_answer,
)

CELLS = pd.DataFrame(
    {"ID": ["b", "a", "b", "b", "b"], "cell": [1, 1, 2, 3, 4]}
    | {"p00": [0.1, 0.8, 0.5, 0.9, 0.3], "p01": [1.0, 0.2, 0.0, 0.0, 0.0]}
)


@pytest.mark.parametrize(
    ("settings", "of_b"),
    [
        ({"combine": "max"}, [0.9, 1.0]),
        ({"combine": "mean"}, [0.45, 0.25]),
        ({"combine": "top_mean", "top": 2}, [0.7, 0.5]),
        ({"combine": "top_mean", "top": 9}, [0.45, 0.25]),
        ({"combine": "noisy_or"}, [1 - 0.9 * 0.5 * 0.1 * 0.7, 1.0]),
    ],
)
def test_cells_are_combined(settings, of_b):
    counts, found = cell_probabilities(CELLS, ["a", "b", "c"], CellVoteSettings(**settings), None)
    assert counts.tolist() == [1, 4, 0]
    np.testing.assert_allclose(found, [[0.8, 0.2], of_b, [0, 0]])


def test_a_field_is_negative_as_far_as_all_of_its_cells_are():
    _, found = cell_probabilities(CELLS, ["a", "b"], CellVoteSettings(combine="max"), 1)
    np.testing.assert_allclose(found, [[0.8, 0.2], [0.9, 0.25]])


def test_cells_of_an_unknown_field_are_an_error():
    with pytest.raises(ValueError, match="4 cells are of fields that no network has seen, such as b"):
        cell_probabilities(CELLS, ["a"], CellVoteSettings(), None)


@pytest.mark.parametrize(
    ("source", "called"),
    [
        ("network", [[True, False], [False, False]]),
        ("cells", [[False, True], [True, False]]),
        ("both", [[True, True], [False, False]]),
    ],
)
def test_the_source_decides(source, called):
    network = np.array([[0.5, 0.2], [0.1, 0.0]])
    of_cells = np.array([[0.3, 0.9], [0.4, 0.1]])
    assert decide(network, of_cells, np.array([[0.4, 0.6], [0.4, 0.4]]), source).tolist() == called


def test_only_fields_without_a_class_are_filled():
    called = np.array([[True, False], [False, False]])
    assert with_fill(called, 1).tolist() == [[True, False], [False, True]]
    assert with_fill(called, None).tolist() == called.tolist()


def test_the_format_of_hpa_2018():
    """Any number of classes: here 28, of which davidtvs filled in class 25."""
    called = np.zeros((2, 28), bool)
    called[0, [0, 25, 27]] = True
    filled = hpa2018_table(["b", "a"], with_fill(called, 25), ["c"], 25)
    assert filled.to_csv(index=False, lineterminator="\n") == "Id,Predicted\na,25\nb,0 25 27\nc,25\n"
    assert hpa2018_table(["b", "a"], called, ["c"], None)["Predicted"].tolist() == ["", "0 25 27", ""]


def test_both_files_are_written(tmp_path):
    """Two shards, two stages, a field without cells and one that could not be read."""
    (tmp_path / "classes.csv").write_text("index,name\n0,Cytosol\n1,Golgi apparatus\n")
    stages = {"one": [[0.2, 0.0], [0.6, 0.1], [0.1, 0.1]], "two": [[0.4, 0.0], [0.2, 0.9], [0.1, 0.3]]}
    images = []
    for name, values in stages.items():
        for shard, rows in enumerate((slice(0, 2), slice(2, 3))):
            images.append(tmp_path / f"{name}{shard}.parquet")
            write_parquet(
                images[-1], probability_table({"ID": ["a", "b", "c"][rows]}, np.array(values)[rows])
            )
    write_parquet(tmp_path / "cells.parquet", CELLS)
    write_csv(tmp_path / "rejected.csv", pd.DataFrame({"ID": ["0"], "reason": ["damaged"]}))
    write_csv(tmp_path / "thresholds.csv", pd.DataFrame({"class": ["all"], "threshold": [0.3]}), digits=None)
    write_field_answer(
        tmp_path / "fields.csv",
        tmp_path / "hpa.csv",
        image_tables=images,
        stages=2,
        cells=tmp_path / "cells.parquet",
        rejected=[tmp_path / "rejected.csv"],
        thresholds=tmp_path / "thresholds.csv",
        classes=tmp_path / "classes.csv",
        settings=FieldSettings(fill="Golgi apparatus", cells=CellVoteSettings(combine="max", thresholds=0.5)),
        negative=None,
    )
    found = read_csv(tmp_path / "fields.csv")
    assert found["ID"].tolist() == ["a", "b", "c"]
    assert found["cells"].tolist() == [1, 4, 0]
    # 0.3 itself reaches the threshold of 0.3, although it has no exact float32.
    assert found["network_called"].tolist() == ["Cytosol", "Cytosol;Golgi apparatus", "Golgi apparatus"]
    assert found["called"].tolist() == found["network_called"].tolist()
    assert found["cells_called"].tolist() == ["Cytosol", "Cytosol;Golgi apparatus", "Golgi apparatus"]
    np.testing.assert_allclose(found["network_p01"], [0, 0.5, 0.2])
    np.testing.assert_allclose(found["cells_p00"], [0.8, 0.9, 0])
    assert (tmp_path / "hpa.csv").read_text() == "Id,Predicted\n0,1\na,0\nb,0 1\nc,1\n"
