"""Runs that differ from the tiny default: other classes, checkpoints, raw crops, a script run by hand, resuming."""

import shutil
import subprocess
import sys

import pandas as pd
import pytest

from puzzlecell.data.submission_file import read_submission, triplets

SUBMISSION = "results/submission.csv"
CLASSES = ["apples", "pears", "plums", "quinces", "figs"]


@pytest.mark.long
def test_five_classes_without_a_negative_one(finished, tmp_path):
    """The user's own data: the simulated fields, with their 19 classes merged into five."""
    project = finished.copy(tmp_path / "project")
    simulated = project.folder / "results/simulated"
    for dataset in ("train", "test"):
        shutil.move(simulated / dataset, project.folder / "data" / dataset)
        for checksum in (project.folder / "data" / dataset).glob("*.checksum"):
            checksum.unlink()
    table = pd.read_csv(project.folder / "data/train/labels.csv", dtype=str)
    folded = [sorted({int(label) % 5 for label in labels.split("|")}) for labels in table["Label"]]
    table.assign(Label=folded).to_csv(project.folder / "data/train/labels.csv", index=False)
    truth = read_submission(project.folder / "data/test/truth.csv")
    strings = [
        [f"{label % 5} 1 {mask}" for label, _, mask in triplets(text)] for text in truth["PredictionString"]
    ]
    truth = truth.assign(PredictionString=[" ".join(dict.fromkeys(string)) for string in strings])
    truth.to_csv(project.folder / "data/test/truth.csv", index=False)
    rows = [f"{index},{name}" for index, name in enumerate(CLASSES)]
    (project.folder / "config/five.csv").write_text("\n".join(["index,name", *rows, ""]))
    shutil.rmtree(project.folder / "results")

    def change(settings):
        settings |= {"classes": "config/five.csv", "negative": None}
        settings["datasets"] = {name: {"role": name, "pixel_size_um": 2.56} for name in ("train", "test")}
        stages = settings["models"]["tiny"]["stages"]
        settings["models"]["tiny"]["stages"] = {"stage1": stages["stage1"]}
        settings["ensemble"] = {
            "members": [{"model": "tiny", "stage": "stage1", "step": step} for step in (1, 2)],
            "class_thresholds": {"figs": 0.01},
        }

    configuration = project.configure("five.yaml", change)
    targets = (SUBMISSION, "results/oof/tiny/stage1/metrics.csv")
    done = project.run(*targets, configuration=configuration)
    assert done.returncode == 0, done.stdout[-4000:]
    results = project.folder / "results"
    cells = pd.read_parquet(results / "cells/test.parquet")
    assert [name for name in cells if name.startswith("p0")] == [f"p0{number}" for number in range(5)]
    texts = read_submission(results / "submission.csv")["PredictionString"]
    shown = {label for text in texts for label, *_ in triplets(text)}
    assert shown == set(range(5))
    classes = pd.read_csv(results / "score/test.classes.csv")
    assert classes.loc[classes["prediction"] == "ensemble", "name"].tolist() == CLASSES
    assert pd.read_csv(results / "oof/tiny/stage1/metrics.csv")["class"].tolist() == [*CLASSES, "mean"]


def test_simulated_fields_need_the_classes_of_their_patterns(fresh):
    (fresh.folder / "config/two.csv").write_text("index,name\n0,a\n1,b\n")
    configuration = fresh.configure("two.yaml", lambda s: s.update(classes="config/two.csv", negative=None))
    done = fresh.run("results/simulated/test/labels.csv", configuration=configuration)
    assert done.returncode != 0
    assert "2 classes; use your own data with other classes" in done.stdout


@pytest.mark.long
def test_given_checkpoints_are_used_and_not_trained(finished, tmp_path):
    project = finished.copy(tmp_path / "project")
    expected = (project.folder / SUBMISSION).read_bytes()
    shutil.move(project.folder / "results/models/tiny", project.folder / "weights")
    (project.folder / SUBMISSION).unlink()

    def change(settings):
        for name, stage in settings["models"]["tiny"]["stages"].items():
            stage.pop("start", None)
            stage["checkpoints"] = f"weights/{name}/fold{{fold}}/model.safetensors"

    configuration = project.configure("ready.yaml", change)
    assert "train" not in project.planned(configuration=configuration)
    done = project.run(SUBMISSION, configuration=configuration)
    assert done.returncode == 0, done.stdout[-4000:]
    assert (project.folder / SUBMISSION).read_bytes() == expected


@pytest.mark.long
def test_ablation_with_crops_of_the_raw_fields(changed):
    configuration = changed.configure("raw.yaml", lambda settings: settings.update(step2={"source": "raw"}))
    done = changed.run("ablation", configuration=configuration)
    assert done.returncode == 0, done.stdout[-4000:]
    table = pd.read_csv(changed.folder / "results/ablation/test.csv", keep_default_na=False)
    assert table.loc[table["change"] == "", "prediction"].tolist() == 2 * [
        "broadcast",
        "step1",
        "step2",
        "ensemble",
    ]
    assert {"step2 scale enlarged", "negative one_minus_max"} <= set(table["change"])


def test_a_script_run_by_hand_writes_its_output_in_place(changed):
    table = changed.folder / "results/step1/test/tiny.stage2/000.parquet"
    expected = table.read_bytes()
    table.unlink()
    command = [
        sys.executable,
        "-m",
        "puzzlecell.runtime.run_script",
        "step1",
        "--configfile",
        "config/tiny.yaml",
    ]
    job = ["ds=test", "model=tiny", "stage=stage2", "sh=000"]
    done = subprocess.run(
        [*command, *job], cwd=changed.folder, env=changed.environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "step1 test/tiny/stage2/000: 4/4" in done.stderr
    assert table.read_bytes() == expected
