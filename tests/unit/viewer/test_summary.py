"""What the overview says of a run, read from tables as a run writes them."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import yaml
from helpers.paths import ROOT

from puzzlecell.config.class_table import read_classes
from puzzlecell.config.workflow import load_configuration
from puzzlecell.data.plausibility import Finding
from puzzlecell.data.tables import probability_columns, write_csv, write_parquet
from puzzlecell.errors import DamagedFileError
from puzzlecell.viewer.class_counts import class_counts
from puzzlecell.viewer.licence import weights_licence
from puzzlecell.viewer.provenance import OWN, SIMULATED, attribution, settings_texts
from puzzlecell.viewer.summary import RunFiles, summary
from puzzlecell.viewer.training_curves import training_curves
from puzzlecell.viewer.warnings_chunk import MOST, write_warnings_chunk

CONFIG = yaml.safe_load((ROOT / "config/config.yaml").read_text())


@pytest.fixture(scope="module")
def settings():
    return load_configuration(CONFIG, files=False)


@pytest.fixture
def files(tmp_path, settings):
    """Results of a run with two data sets, of which one has ground truth and one is graded."""
    names = read_classes(ROOT / settings.classes)
    random = np.random.default_rng(1)
    answers = {}
    for dataset, cells in (("test", 30), ("holdout", 20)):
        values = random.uniform(size=(cells, len(names))).astype(np.float32)
        table = pd.DataFrame(values, columns=probability_columns(len(names)))
        table.insert(0, "ID", "f")
        if dataset == "test":
            table["calls"] = ["Nucleoli|Cytosol"] * 10 + ["uncertain"] * 5 + ["Negative"] * 15
        answers[dataset] = tmp_path / f"{dataset}.parquet"
        write_parquet(answers[dataset], table)
    rows = [
        {"prediction": name, "mean_ap": ap, "low": ap - 0.1, "high": np.nan}
        for name, ap in (("step1", 0.5), ("ensemble", 0.75))
    ]
    write_csv(tmp_path / "score.csv", pd.DataFrame(rows), digits=4)
    classes = [
        {"class": c, "cells": c, "ap": np.nan if c == 0 else 0.9, "low": 0.8, "high": 1.0, "prediction": name}
        for name in ("step1", "ensemble")
        for c in range(len(names))
    ]
    write_csv(tmp_path / "classes.csv", pd.DataFrame(classes), digits=4)
    write_csv(tmp_path / "none.csv", pd.DataFrame({"ID": [], "reason": []}))
    write_csv(tmp_path / "some.csv", pd.DataFrame({"ID": [f"{i:03d}" for i in range(120)], "reason": "torn"}))
    epochs = np.arange(1, 151)
    history = pd.DataFrame(
        {"epoch": epochs, "train_loss": 1.0, "loss": 1 / epochs, "map": epochs % 100 / 100}
    )
    write_csv(tmp_path / "history.csv", history.assign(seconds=random.uniform(size=150)), digits=None)
    graded = pd.DataFrame({"class": [*names, "mean"], "queue": "all", "cells": 3, "ap": 0.5, "low": np.nan})
    write_csv(tmp_path / "graded.csv", graded)
    varying = {
        "level": ["well"],
        "name": ["001"],
        "class": ["all"],
        "cells": [3],
        "entropy": [0.5],
        "varies": [""],
    }
    write_csv(tmp_path / "variability.csv", pd.DataFrame(varying))
    return RunFiles(
        answers=answers,
        scores={"holdout": tmp_path / "score.csv"},
        class_scores={"holdout": tmp_path / "classes.csv"},
        rejected={"test": [tmp_path / "none.csv", tmp_path / "some.csv"], "holdout": [tmp_path / "none.csv"]},
        histories={
            ("lite0", "stage2"): [tmp_path / "history.csv"],
            ("lite0", "stage1"): [tmp_path / "history.csv"],
        },
        graded={"test": tmp_path / "graded.csv"},
        variability={"test": tmp_path / "variability.csv"},
    )


def test_summary_of_a_run(files, settings, tmp_path):
    names = read_classes(ROOT / settings.classes)
    found = summary(files, settings, names, quality=["test"], warned=True)
    text = json.dumps(found, allow_nan=False)
    assert text == json.dumps(summary(files, settings, names, quality=["test"], warned=True))
    assert found["scores"]["holdout"][1] == {
        "prediction": "ensemble",
        "mean_ap": 0.75,
        "low": 0.65,
        "high": None,
    }
    assert found["class_scores"]["holdout"]["ensemble"]["ap"][:2] == [None, 0.9]
    values = pd.read_parquet(files.answers["holdout"])[probability_columns(len(names))].to_numpy()
    assert (
        found["counts"]["holdout"]["probable"] == np.bincount(values.argmax(1), minlength=len(names)).tolist()
    )
    assert found["counts"]["holdout"]["true"] == list(range(len(names)))
    assert found["counts"]["holdout"]["called"] is None
    called = dict(zip(names, found["counts"]["test"]["called"], strict=True))
    assert (called["Nucleoli"], called["Cytosol"], called["Negative"], sum(called.values())) == (
        10,
        10,
        15,
        35,
    )
    assert found["counts"]["test"]["uncertain"] == 5
    assert found["rejected"]["test"]["count"] == 120
    assert found["rejected"]["test"]["fields"][:2] == [["000", "torn"], ["001", "torn"]]
    assert len(found["rejected"]["test"]["fields"]) == 100
    assert found["rejected"]["holdout"] == {"count": 0, "fields": []}
    # In the order of the configuration, and without the times, which differ between runs.
    assert [curve["stage"] for curve in found["curves"]] == ["stage1", "stage2"]
    assert "seconds" not in text
    assert found["graded"]["test"]["class"][-1] == "mean"
    assert set(found["graded"]["test"]["queue"]) == {"all"}
    assert found["graded"]["test"]["low"][-1] is None
    assert found["variability"]["test"]["name"] == ["001"]
    with files.scores["holdout"].open("a") as file:
        file.write("ensemble,1,1,1\n")
    with pytest.raises(DamagedFileError, match="score.csv"):
        summary(files, settings, names, quality=[], warned=False)


@pytest.mark.parametrize("best_by, best", [("map", 99), ("loss", 150)])
def test_long_trainings_keep_their_ends_and_best_epoch(files, best_by, best):
    names = ("lite0", "stage1")
    curve = training_curves({names: files.histories[names]}, {names: best_by})[0]
    assert (len(curve["epochs"]), curve["epochs"][0], curve["epochs"][-1], curve["best"]) == (
        100,
        1,
        150,
        best,
    )
    assert curve["loss"] == [round(1 / epoch, 5) for epoch in curve["epochs"]]


def test_counts_without_cells(tmp_path):
    table = pd.DataFrame(
        {"ID": pd.array([], dtype=object), **{name: np.empty(0, np.float32) for name in ("p00", "p01")}}
    )
    write_parquet(tmp_path / "cells.parquet", table)
    assert class_counts(tmp_path / "cells.parquet", None, ["a", "b"])["probable"] == [0, 0]


def test_settings_are_complete_and_what_differs_reads_back(settings):
    texts = settings_texts(settings)
    changed = yaml.safe_load(texts["changed"])
    assert load_configuration(changed, files=False) == settings
    assert changed["training"]["optimiser"]["learning_rate"] == 1.5e-3
    assert "iou_threshold" not in texts["changed"]
    assert yaml.safe_load(texts["complete"])["score"]["iou_threshold"] == 0.6


def test_attribution_names_the_source(settings):
    given = {name: values.model_copy(update={"simulate": None}) for name, values in settings.datasets.items()}
    assert attribution(settings)["test"] == SIMULATED
    assert attribution(settings.model_copy(update={"datasets": given}))["test"] == OWN
    assert "CC BY-SA 4.0" in OWN


def test_licence_of_the_weights_is_that_of_their_bundle(settings, tmp_path):
    assert weights_licence(settings) is None
    stages = settings.models["lite0"].stages
    pattern = f"{tmp_path}/weights/lite0/stage2/fold{{fold}}.safetensors"
    ready = {**stages, "stage2": stages["stage2"].model_copy(update={"checkpoints": pattern})}
    model = settings.models["lite0"].model_copy(update={"stages": ready})
    bundled = settings.model_copy(update={"models": {"lite0": model}})
    (tmp_path / "LICENCE.txt").write_text("CC BY 4.0")
    assert weights_licence(bundled) is None
    (tmp_path / "manifest.json").write_text("{}")
    assert weights_licence(bundled) == str(tmp_path / "LICENCE.txt")
    own = bundled.model_copy(update={"bundle": settings.bundle.model_copy(update={"licence": "own.txt"})})
    assert weights_licence(own) == "own.txt"


def test_licence_is_shown(files, settings, tmp_path):
    (tmp_path / "LICENCE.txt").write_text("CC BY 4.0")
    licensed = replace(files, licence=tmp_path / "LICENCE.txt")
    names = read_classes(ROOT / settings.classes)
    assert summary(licensed, settings, names, quality=[], warned=False)["licence"] == "CC BY 4.0"


def test_many_warnings_about_fields_are_counted(tmp_path):
    fields = [Finding("test", f"f{number}", "dark") for number in range(MOST + 20)]
    write_warnings_chunk(tmp_path / "warnings.js", [*fields, Finding("train", "", "one class is rare")])
    text = (tmp_path / "warnings.js").read_text()
    content = json.loads(text[text.index("{") : text.rindex(")")])
    assert content["findings"][0] == ["train", "", "one class is rare"]
    assert (len(content["findings"]), content["more"], content["fields"]) == (
        MOST + 1,
        20,
        {"test": MOST + 20},
    )
