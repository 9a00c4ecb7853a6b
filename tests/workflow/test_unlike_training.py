"""Distances from the training fields in a run: made only if asked for, and by a file of an earlier run."""

import shutil

import pandas as pd

CELLS = "results/cells/test.parquet"
LOOK = "results/look/look.safetensors"


def probabilities(path):
    table = pd.read_parquet(path)
    return table[[name for name in table if name[0] == "p" and name[1:].isdigit()]]


def test_a_run_measures_how_unlike_its_test_fields_are(changed):
    before = probabilities(changed.folder / CELLS)
    assert "unlike_training" not in pd.read_parquet(changed.folder / CELLS)
    of_run = changed.configure("of_run.yaml", lambda s: s.update(unlike_training={"look": "this_run"}))
    again = {"ensemble": 1, "score_cells": 1, "submission": 1}
    # The training fields have been segmented for the out-of-fold predictions.
    assert changed.planned(configuration=of_run) == {"training_look": 1, "unlike_training": 2} | again
    done = changed.run(CELLS, configuration=of_run)
    assert done.returncode == 0, done.stdout[-4000:]
    assert changed.planned(CELLS, configuration=of_run) == {}
    answer = pd.read_parquet(changed.folder / CELLS)
    assert list(answer)[-2:] == ["unlike_training", "unlike_training_field"]
    assert answer[["unlike_training", "unlike_training_field"]].notna().all().all()
    pd.testing.assert_frame_equal(probabilities(changed.folder / CELLS), before)
    log = (changed.folder / "results/logs/training_look.log").read_text()
    assert "known from only 6 fields" in log
    fields = pd.concat(
        pd.read_parquet(path)
        for path in sorted((changed.folder / "results/unlike/test").glob("*.images.parquet"))
    )
    warned = pd.read_csv(changed.folder / "results/warnings.csv", keep_default_na=False)
    warned = warned[warned["what"].str.startswith("unlike the training fields")]
    assert sorted(warned["ID"]) == sorted(fields.loc[fields["unlike_training"] > 1, "ID"])

    # The file serves another run with the same weights, which segments and compares only what it predicts.
    shutil.copy(changed.folder / LOOK, changed.folder / "look.safetensors")
    for folder in ("look", "unlike"):
        shutil.rmtree(changed.folder / "results" / folder)
    given = changed.configure("given.yaml", lambda s: s.update(unlike_training={"look": "look.safetensors"}))
    plan = changed.planned(CELLS, configuration=given)
    assert plan == {"unlike_training": 2, "ensemble": 1}
    assert "ensemble" in changed.planned(CELLS), "without the distances the answer has other columns"
