"""Predictions against grades of cells."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from puzzlecell.config.score import ScoreSettings
from puzzlecell.data.tables import probability_table, read_csv, write_parquet
from puzzlecell.errors import UserError
from puzzlecell.scoring.graded_score import graded_score, shares, write_graded_score
from puzzlecell.teaching.graded_cells import queue_columns

NAN = np.nan


def test_score_by_hand():
    # Class 0: ranks +, -, +: AP (1 + 2/3) / 2, one of two pairs in order. Class 1 has no negative, class 2 no grade.
    values = np.array([[0.9, 0.1, 0], [0.5, 0.2, 0], [0.4, 0.3, 0], [0.8, 0.9, 0]])
    grades = np.array([[1, 0.9, NAN], [0.2, 0.5, NAN], [0.5, NAN, NAN], [NAN, NAN, NAN]])
    table = graded_score(values, grades, np.array(list("xxyy")), ScoreSettings(bootstrap=0))
    assert table["cells"].tolist() == [3, 2, 0, 5]
    assert table["positives"].tolist() == [2, 2, 0, 4]
    assert table["ap"].tolist() == pytest.approx([5 / 6, NAN, NAN, 5 / 6], nan_ok=True)
    assert table["auc"].tolist() == pytest.approx([1 / 2, NAN, NAN, 1 / 2], nan_ok=True)
    assert table[["low", "high"]].isna().all(axis=None)


def test_equals_scikit_learn_with_ties_and_drawn_fields():
    random = np.random.default_rng(0)
    fields = random.integers(0, 12, 200)
    grades = (random.uniform(size=(200, 2)) < 0.3).astype(float)
    values = np.round(np.clip(random.normal(0.4, 0.2, (200, 2)) + 0.2 * grades, 0, 1), 1)
    settings = ScoreSettings(bootstrap=30, seed=4)
    table = graded_score(values, grades, fields, settings)
    draws = np.random.default_rng(4).multinomial(12, np.full(12, 1 / 12), 30)
    for measure, prefix, function in (("ap", "", average_precision_score), ("auc", "auc_", roc_auc_score)):
        plain = [function(grades[:, c], values[:, c]) for c in range(2)]
        assert table[measure].tolist() == pytest.approx([*plain, np.mean(plain)])
        drawn = np.array(
            [
                [
                    function(np.repeat(grades[:, c], d[fields]), np.repeat(values[:, c], d[fields]))
                    for c in range(2)
                ]
                for d in draws
            ]
        )
        drawn = np.column_stack([drawn, drawn.mean(axis=1)])
        assert table[f"{prefix}low"].tolist() == pytest.approx(np.quantile(drawn, 0.025, axis=0).tolist())
        assert table[f"{prefix}high"].tolist() == pytest.approx(np.quantile(drawn, 0.975, axis=0).tolist())


def test_only_held_out_cells_are_scored(tmp_path):
    classes = tmp_path / "classes.csv"
    classes.write_text("index,name\n0,a\n1,b\n")
    keys = {"ID": list("xxyz"), "cell": np.int32([1, 2, 1, 1])}
    table = probability_table(keys, np.array([[1, 0], [0, NAN], [1, NAN], [0, 1]]))
    table.insert(2, "held_out", [True, True, True, False])
    table = table.assign(**dict.fromkeys(queue_columns(2), False))
    write_parquet(tmp_path / "graded.parquet", table)
    answer = probability_table(
        {"ID": list("zyxx"), "cell": np.int32([1, 1, 2, 1])},
        np.array([[0.9, 0], [0.1, 0], [0.2, 0], [0.3, 0]]),
    )
    write_parquet(tmp_path / "cells.parquet", answer)

    def write(name="cells"):
        write_graded_score(
            tmp_path / "score.csv",
            graded=tmp_path / "graded.parquet",
            answer=tmp_path / f"{name}.parquet",
            classes=classes,
            settings=ScoreSettings(bootstrap=5),
        )

    write()
    found = read_csv(tmp_path / "score.csv").set_index("class")
    assert found.loc["a", ["cells", "positives"]].tolist() == [3, 2]
    # Ranks +, -, +.
    assert float(found.loc["a", "ap"]) == pytest.approx(5 / 6, abs=1e-4)
    assert found.index.tolist() == ["a", "b", "mean"]
    # Field x has cells 1 and 2; field y is in no fold.
    write_parquet(tmp_path / "fewer.parquet", answer.iloc[[0, 2]])
    with pytest.raises(
        UserError, match="graded.parquet: there are no predictions for 1 graded cells, such as cell 1 of x"
    ):
        write("fewer")
    write_parquet(tmp_path / "graded.parquet", table.assign(held_out=False))
    with pytest.raises(UserError, match="no graded cell is held out"):
        write()

    # Class a of two cells of x came up in the random queue: ranks +, -. They say nothing about class b.
    write_parquet(tmp_path / "graded.parquet", table.assign(r00=[True, True, False, True]))
    write()
    found = read_csv(tmp_path / "score.csv").set_index(["queue", "class"])
    assert found.index.get_level_values("queue").unique().tolist() == ["all", "random"]
    assert found.loc[("random", "a"), ["cells", "positives"]].tolist() == [2, 1]
    assert [float(found.loc[("random", "a"), name]) for name in ("ap", "share")] == [1, 0.5]
    assert found.loc[("random", "b"), "cells"] == 0
    assert found.loc["all", "share"].eq("").all()
    assert float(found.loc[("all", "a"), "ap"]) == pytest.approx(5 / 6, abs=1e-4)


def test_shares_with_intervals_over_fields():
    random = np.random.default_rng(1)
    fields = random.integers(0, 9, 80)
    grades = random.choice([0, 0.2, 0.7, 1, NAN], (80, 3))
    grades[:, 2] = NAN
    table = shares(grades, fields, ScoreSettings(bootstrap=40, seed=2))
    draws = np.random.default_rng(2).multinomial(9, np.full(9, 1 / 9), 40)
    for index in range(2):
        known = ~np.isnan(grades[:, index])
        shown = grades[known, index] >= 0.5
        drawn = [np.repeat(shown, draw[fields[known]]).mean() for draw in draws]
        expected = [shown.mean(), np.quantile(drawn, 0.025), np.quantile(drawn, 0.975)]
        assert table.iloc[index].tolist() == pytest.approx(expected)
    assert table.iloc[2].isna().all()


def test_no_cell_at_all():
    table = graded_score(np.empty((0, 2)), np.empty((0, 2)), np.empty(0), ScoreSettings())
    assert isinstance(table, pd.DataFrame)
    assert table["cells"].tolist() == [0, 0, 0]
    assert table[["ap", "low", "high"]].isna().all(axis=None)
