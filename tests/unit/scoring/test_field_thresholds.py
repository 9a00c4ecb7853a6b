"""Thresholds of fields, searched and given, and the score of the calls."""

import numpy as np
import pandas as pd
import pytest

from puzzlecell.config.fields import FieldSettings
from puzzlecell.data.tables import probability_table, read_csv, write_csv
from puzzlecell.errors import UserError
from puzzlecell.scoring.field_score import write_field_score
from puzzlecell.scoring.field_thresholds import write_field_thresholds

NAMES = ["Cytosol", "Golgi apparatus"]


@pytest.fixture
def held_out(tmp_path):
    """Out-of-fold tables of two stages with two folds; only the second stage has the field `extra`."""
    (tmp_path / "classes.csv").write_text(
        "index,name\n" + "".join(f"{n},{name}\n" for n, name in enumerate(NAMES))
    )
    labels = {"a": "0", "b": "0|1", "c": "1", "d": "1", "extra": "0"}
    # Means of both stages: Cytosol is right from 0.31 to 0.40, Golgi apparatus from 0.61 to 0.70.
    values = {"a": [0.5, 0.6], "b": [0.4, 0.7], "c": [0.3, 0.8], "d": [0.1, 0.9], "extra": [0.0, 0.0]}
    stages = []
    for stage, shift in (("one", 0.1), ("two", -0.1)):
        paths = []
        for fold, ids in enumerate((["c", "a"], ["b", "d", *(["extra"] if stage == "two" else [])])):
            table = probability_table({"ID": ids}, np.array([values[i] for i in ids]) + shift)
            table.insert(1, "Label", [labels[i] for i in ids])
            paths.append(tmp_path / f"{stage}{fold}.csv")
            write_csv(paths[-1], table)
        stages.append(paths)
    return stages


def written(tmp_path, held_out, thresholds, table=None):
    path = tmp_path / "thresholds.csv"
    write_field_thresholds(
        path,
        held_out=held_out,
        table=table,
        classes=tmp_path / "classes.csv",
        settings=FieldSettings(thresholds=thresholds),
    )
    found = read_csv(path)
    assert found["class"].tolist() == NAMES
    return found["threshold"].tolist()


def test_given_thresholds_are_written_as_they_are(tmp_path, held_out):
    assert written(tmp_path, held_out, 0.3) == [0.3, 0.3]
    assert written(tmp_path, held_out, [0.1, 0.7]) == [0.1, 0.7]


def test_searched_thresholds_are_those_with_the_best_f1(tmp_path, held_out):
    one, two = written(tmp_path, held_out, "oof_per_class")
    assert 0.3 < one <= 0.4
    assert 0.6 < two <= 0.7
    common = written(tmp_path, held_out, "oof")
    assert len(set(common)) == 1


def test_a_table_gives_the_same_thresholds_to_the_bit(tmp_path, held_out):
    """As a bundle carries them to a run without training."""
    searched = written(tmp_path, held_out, "oof_per_class")
    (tmp_path / "thresholds.csv").rename(tmp_path / "own.csv")
    assert written(tmp_path, [], str(tmp_path / "own.csv")) == searched
    assert written(tmp_path, [], "elsewhere.csv", table=tmp_path / "own.csv") == searched


def test_stages_without_common_fields_are_an_error(tmp_path, held_out):
    write_csv(held_out[1][1], read_csv(held_out[1][1]).assign(ID=["x", "y", "z"]))
    with pytest.raises(UserError, match="no field was held out by all stages"):
        written(tmp_path, [[held_out[0][1]], [held_out[1][1]]], "oof")


def test_the_score_is_the_f1_of_each_class(tmp_path, held_out):
    calls = pd.DataFrame({"ID": ["a", "b", "c"], "called": ["Cytosol", "Golgi apparatus", ""]})
    calls["network_called"], calls["cells_called"] = "Cytosol;Golgi apparatus", ["", "Cytosol", ""]
    write_csv(tmp_path / "fields.csv", calls)
    (tmp_path / "labels.csv").write_text("ID,Label\nc,1\nb,0|1\na,0\n")
    write_field_score(
        tmp_path / "score.csv",
        answer=tmp_path / "fields.csv",
        labels=tmp_path / "labels.csv",
        classes=tmp_path / "classes.csv",
    )
    found = read_csv(tmp_path / "score.csv")
    assert found["class"].tolist() == [*NAMES, "mean"]
    assert found["positives"].tolist() == [2, 2, 4]
    np.testing.assert_allclose(found["called"].astype(float), [2 / 3, 2 / 3, 2 / 3], atol=1e-4)
    np.testing.assert_allclose(found["network_called"].astype(float), [0.8, 0.8, 0.8], atol=1e-4)
    np.testing.assert_allclose(found["cells_called"].astype(float), [2 / 3, 0, 1 / 3], atol=1e-4)


def test_fields_without_a_class_do_not_count(tmp_path, held_out):
    calls = pd.DataFrame(
        {"ID": ["a", "b"], **dict.fromkeys(("called", "network_called", "cells_called"), "Cytosol")}
    )
    write_csv(tmp_path / "fields.csv", calls)
    (tmp_path / "labels.csv").write_text("ID,Label\na,Cytosol\nb,Midbody\n")
    paths = {name: tmp_path / f"{name}.csv" for name in ("classes", "labels")} | {
        "answer": tmp_path / "fields.csv"
    }
    write_field_score(tmp_path / "score.csv", **paths, without_class="leave_out")
    found = read_csv(tmp_path / "score.csv").set_index("class")
    assert found.loc["Cytosol", ["positives", "called"]].astype(float).tolist() == [1, 1]
    with pytest.raises(UserError, match=r"Midbody \(1 fields\)"):
        write_field_score(tmp_path / "score.csv", **paths)
