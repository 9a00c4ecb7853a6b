"""A stage on crops of cells in a whole run: from the tiny run's networks to a scored submission."""

import os
import signal
import subprocess
import time

import pandas as pd

SUBMISSION = "results/submission.csv"
WEIGHTS = "results/models/tiny/pupil/fold{}/model.safetensors"


def add_pupil(settings):
    stages = settings["models"]["tiny"]["stages"]
    stages["pupil"] = {
        "kind": "cells",
        "start": "stage2",
        "datasets": ["train"],
        "learns_from": [{"stage": "stage2", "step": 1}, {"stage": "stage2", "step": 2}],
        "training": {"epochs": 12, "samples_per_epoch": 32, "batch_size": 8},
    }
    settings["ensemble"]["members"] = [
        {"model": "tiny", "stage": "stage2", "step": 1, "weight": 1},
        {"model": "tiny", "stage": "pupil", "step": 2, "weight": 1},
    ]


def test_a_pupil_is_trained_resumed_scored_and_follows_its_targets(changed):
    configuration = changed.configure("pupil.yaml", add_pupil)
    # The networks of stage 2 are there; nothing of them is made again.
    assert changed.planned(configuration=configuration) == {
        **{"oof_step2": 2, "targets": 1, "train_cells": 2, "step2": 2},
        **{"ensemble": 1, "score_cells": 1, "submission": 1},
    }

    state = changed.folder / "results/models/tiny/pupil/fold1/last.ckpt"
    output = changed.folder / "killed.txt"
    with output.open("w") as terminal:
        process = subprocess.Popen(
            changed.command(SUBMISSION, configuration=configuration),
            cwd=changed.folder,
            env=changed.environment,
            stdout=terminal,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        while not state.exists():
            assert process.poll() is None, output.read_text()
            time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (changed.folder / WEIGHTS.format(1)).exists()
    assert changed.run("--unlock", SUBMISSION, configuration=configuration).returncode == 0
    done = changed.run(SUBMISSION, configuration=configuration)
    assert done.returncode == 0, done.stdout[-4000:]
    log = (changed.folder / "results/logs/train_cells/tiny/pupil/fold1.log").read_text()
    assert "resuming from" in log
    assert "starting again" not in log

    score = pd.read_csv(changed.folder / "results/score/test.csv").set_index("prediction")
    assert score.loc["ensemble", "mean_ap"] > 0
    held_out = pd.read_csv(changed.folder / "results/models/tiny/pupil/fold1/oof.csv")
    folds = pd.read_csv(changed.folder / "results/folds/folds.csv").set_index("ID")["fold"]
    assert set(folds[held_out["ID"]]) == {1}
    assert changed.planned(configuration=configuration) == {}

    # Byte for byte again.
    weights = changed.folder / WEIGHTS.format(1)
    first = weights.read_bytes()
    weights.unlink()
    done = changed.run(WEIGHTS.format(1), configuration=configuration)
    assert done.returncode == 0, done.stdout[-4000:]
    assert weights.read_bytes() == first

    changed.edit(configuration, "kind: cells", "kind: cells\n        targets: {divide_by_largest: false}")
    assert changed.planned(configuration=configuration) == {
        **{"targets": 1, "train_cells": 2, "step2": 2},
        **{"ensemble": 1, "score_cells": 1, "submission": 1},
    }
