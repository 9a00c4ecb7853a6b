"""The answer per field of the finished tiny run."""

import numpy as np
import pandas as pd
from helpers.paths import ROOT

from puzzlecell.data.text_tables import read_text_columns

CLASSES = pd.read_csv(ROOT / "config/classes.csv")["name"].tolist()
NETWORK, OF_CELLS = ([f"{source}_p{number:02d}" for number in range(19)] for source in ("network", "cells"))


def test_probabilities_are_those_of_the_network_and_of_the_cells(finished):
    results = finished.folder / "results"
    found = pd.read_csv(results / "fields/test.csv", index_col="ID")
    columns = [f"p{number:02d}" for number in range(19)]
    stages = [
        pd.concat(
            pd.read_parquet(results / f"step1/test/tiny.{stage}/{shard}.images.parquet")
            for shard in ("000", "001")
        ).set_index("ID")[columns]
        for stage in ("stage2", "stage3")
    ]
    mean = (stages[0] + stages[1].loc[stages[0].index]) / 2
    np.testing.assert_allclose(found.loc[mean.index, NETWORK], mean, atol=2e-6)
    cells = pd.read_parquet(results / "cells/test.parquet").groupby("ID")
    top = cells[columns].agg(lambda values: values.nlargest(3).mean())
    top["p18"] = cells["p18"].mean()
    np.testing.assert_allclose(found.loc[top.index, OF_CELLS], top, atol=2e-6)
    assert found.loc[top.index, "cells"].tolist() == cells.size().tolist()


def test_calls_are_those_of_the_thresholds_in_both_files(finished):
    results = finished.folder / "results"
    assert pd.read_csv(results / "field_thresholds.csv")["threshold"].tolist() == [0.3] * 19
    for dataset in ("test", "holdout"):
        found = pd.read_csv(results / f"fields/{dataset}.csv", keep_default_na=False).sort_values("ID")
        called = found[NETWORK].to_numpy() >= 0.3
        names = [";".join(np.array(CLASSES)[row]) for row in called]
        assert found["called"].tolist() == found["network_called"].tolist() == names
        _, hpa = read_text_columns(results / f"fields/{dataset}.hpa2018.csv")
        assert hpa["Id"] == found["ID"].tolist()
        assert hpa["Predicted"] == [" ".join(map(str, np.flatnonzero(row))) for row in called]


def test_the_holdout_is_scored(finished):
    found = pd.read_csv(finished.folder / "results/fields/holdout.score.csv").set_index("class")
    labels = pd.read_csv(finished.folder / "results/simulated/holdout/labels.csv")["Label"]
    assert found.index.tolist() == [*CLASSES, "mean"]
    assert found["positives"].iloc[-1] == sum(text.count("|") + 1 for text in labels)


def test_other_thresholds_redo_the_answer_per_field_alone(changed):
    changed.edit(
        "config/tiny.yaml", "score: {", "fields: {thresholds: oof_per_class, fill: Cytosol}\nscore: {"
    )
    assert changed.planned() == {}
    expected = {"field_thresholds": 1, "field_answer": 2, "field_score": 1}
    assert changed.planned("fields") == expected | {"fields": 1}
    done = changed.run("fields")
    assert done.returncode == 0, done.stdout
    thresholds = pd.read_csv(changed.folder / "results/field_thresholds.csv")
    assert thresholds["threshold"].nunique() > 1
    assert thresholds["threshold"].between(0.2, 0.8).all()
    # A run without training gets them as a table, to the bit.
    first = (changed.folder / "results/fields/test.csv").read_bytes()
    (changed.folder / "results/field_thresholds.csv").rename(changed.folder / "config/thresholds.csv")
    changed.edit("config/tiny.yaml", "oof_per_class", "config/thresholds.csv")
    done = changed.run("results/fields/test.csv")
    assert done.returncode == 0, done.stdout
    assert (changed.folder / "results/fields/test.csv").read_bytes() == first
