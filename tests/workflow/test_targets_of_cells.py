"""Targets of stages that learn from other stages: in the plan, and made by networks that have not seen the field."""

import numpy as np
import pandas as pd
import pytest

from puzzlecell.config.steps import Step2Settings
from puzzlecell.data.tables import read_csv, read_parquet
from puzzlecell.inference.step2 import step2_table

DATASETS = ("train", "additional", "more")
TARGETS = [f"results/targets/tiny/pupil/{ds}.parquet" for ds in DATASETS]


def with_pupil(**extra):
    """Change of the tiny configuration: a pupil of step 2 of stage2, which has not seen `additional` and `more`."""

    def change(settings):
        unlabelled = {"role": "unlabelled", "pixel_size_um": 2.56, "simulate": {"fields": 4, "size": 64}}
        settings["datasets"]["more"] = unlabelled
        settings["models"]["tiny"]["stages"]["pupil"] = {
            "kind": "cells",
            "start": "stage2",
            "datasets": list(DATASETS),
            "learns_from": [{"stage": "stage2", "step": 2}],
            "targets": {"divide_by_largest": False, "least_quality": 0, "least_confidence": 0},
            **extra,
        }
        settings["ensemble"]["members"].append({"model": "tiny", "stage": "pupil", "step": 2})

    return change


def test_rounds_are_planned_one_after_the_other(fresh):
    done = fresh.run("-n", *TARGETS, configuration=fresh.configure("rounds.yaml", with_pupil(rounds=2)))
    assert done.returncode == 0, done.stdout
    for expected in (
        "Train tiny, pupil-round1 on cells, fold 2",
        "Targets of tiny, pupil-round1 on train",
        "Out-of-fold step 2 of tiny, pupil-round1, fold 1",
        "Step 2 of tiny, pupil-round1 on more, shard 000",
        "Targets of tiny, pupil on more",
    ):
        assert expected in done.stdout
    # The second round learns from the first alone, which itself learns from the teacher.
    assert "Train tiny, pupil on cells" not in done.stdout


def test_targets_are_made_of_predictions_by_networks_that_have_not_seen_the_field(changed):
    configuration = changed.configure("pupil.yaml", with_pupil())
    done = changed.run(*TARGETS, configuration=configuration)
    assert done.returncode == 0, done.stdout[-6000:]
    results = changed.folder / "results"
    folds = read_csv(results / "folds/folds.csv").set_index("ID")["fold"]
    networks = {fold: results / f"models/tiny/stage2/fold{fold}/model.safetensors" for fold in (1, 2)}
    for dataset, path in zip(DATASETS, TARGETS, strict=True):
        found = read_parquet(changed.folder / path)
        store, masks = (sorted((results / name / dataset).glob("[0-9]*.h5")) for name in ("store", "masks"))
        by_fold = {
            fold: step2_table(store, masks, [network], Step2Settings()) for fold, network in networks.items()
        }
        columns = list(by_fold[1].columns[2:])
        expected = by_fold[1].copy()
        if dataset == "train":
            own = expected["ID"].map(folds)
            expected[columns] = np.where(
                (own == 1).to_numpy()[:, None], by_fold[1][columns], by_fold[2][columns]
            )
        else:
            expected[columns] = (by_fold[1][columns] + by_fold[2][columns]) / 2
        both = found.merge(expected, on=["ID", "cell"], suffixes=("", "_expected"))
        assert len(both) == len(found) == len(expected)
        given, wanted = both[columns].to_numpy(), both[[f"{name}_expected" for name in columns]].to_numpy()
        # All but Negative: of a field with labels, only the classes that it has.
        present = np.ones((len(both), len(columns)), bool)
        if dataset != "more":
            labels = (
                pd.read_csv(results / f"simulated/{dataset}/labels.csv").set_index("ID")["Label"].astype(str)
            )
            shown = labels.loc[both["ID"]].str.split("|")
            present = np.array([[str(index) in names for index in range(len(columns))] for names in shown])
        np.testing.assert_allclose(given[:, :-1], np.where(present, wanted, 0)[:, :-1], atol=1e-5)
        folds_found = both["ID"].map(folds).fillna(0) if dataset != "more" else pd.Series(0, both.index)
        assert both["fold"].tolist() == folds_found.tolist()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"datasets": ["train", "test"]}, "test has the role test. The labels of test sets are never used"),
        ({"learns_from": [{"stage": "stage9", "step": 2}]}, "no stage 'stage9'; did you mean"),
    ],
)
def test_a_mistake_stops_the_plan(fresh, change, expected):
    done = fresh.run("-n", configuration=fresh.configure("wrong.yaml", with_pupil(**change)))
    assert done.returncode != 0
    assert expected in done.stdout
    assert "Traceback" not in done.stdout
