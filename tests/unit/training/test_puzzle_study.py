"""The puzzle study: variants at equal passes, and resuming an interrupted study."""

import subprocess
import sys

import pandas as pd
import puzzle
import pytest
import yaml
from helpers.paths import ROOT

STUDIES = ROOT / "benchmarks/studies"

SMALL = {
    "seeds": [1, 2],
    "passes": [32],
    "finish": {"start": "no puzzle", "passes": 16, "training": {"epochs": 1}},
    "fields": {"train": 24, "held_out": 6, "test": 6},
    "simulation": {"size": 64, "cells": [3, 5]},
    "store": 64,
    "training": {
        "epochs": 2,
        "network": {"backbone": "test_resnet", "pretrained": False, "output_stride": 8},
        "input": {"field_size": 64, "crop_size": 64},
        "augmentation": "none",
        "batch_size": 4,
    },
    "variants": {"no puzzle": {"puzzle": {"pieces": 0}}, "gamma 2": {"loss": {"gamma": 2}}},
}


@pytest.mark.parametrize("study", [SMALL, yaml.safe_load((STUDIES / "puzzle.yaml").read_text())])
def test_variants_have_equal_passes(study):
    for place in puzzle.places(study):
        settings = puzzle.settings_of(study, place)
        assert settings.samples_per_epoch % settings.batch_size == 0
        shown = settings.samples_per_epoch * settings.epochs
        assert shown * (2 if settings.puzzle.pieces else 1) == place.passes
        assert settings.seed == place.seed


def test_fine_tuning_starts_from_the_finished_training(tmp_path, monkeypatch):
    runs = []
    monkeypatch.setattr(puzzle, "train", lambda run, progress: runs.append(run))
    for part in ("train", "held_out"):
        puzzle.make_fields(tmp_path / f"{part}.h5", part, SMALL | {"fields": {part: 2}})
    with pytest.raises(FileNotFoundError):
        puzzle.run_one(SMALL, tmp_path, puzzle.Place("no puzzle", "gamma 2", 1, 16))
    first = puzzle.Place("", "no puzzle", 1, 32).folder(tmp_path)
    assert [run.init_from for run in runs] == [first / "model.safetensors"]


def test_the_table_has_every_variant_and_a_stopped_study_resumes(tmp_path):
    folder = tmp_path / "study"
    (tmp_path / "study.yaml").write_text(yaml.safe_dump({**SMALL, "output": str(folder)}, sort_keys=False))
    command = [sys.executable, str(STUDIES / "puzzle.py"), str(tmp_path / "study.yaml"), "--processes", "1"]
    subprocess.run(command, check=True, capture_output=True)
    runs = pd.read_csv(folder / "runs.csv", keep_default_na=False)
    assert len(runs) == 2 * 2 * 2
    assert not runs.duplicated(["start", "variant", "seed", "passes"]).any()
    assert runs[puzzle.METRICS].apply(lambda column: column.between(0, 1)).all(axis=None)
    table = (folder / "table.md").read_text()
    first = runs[(runs["start"] == "") & (runs["variant"] == "gamma 2")]
    assert (
        f"| ImageNet | 32 | gamma 2 | 2 | {first['image'].mean():.3f} ± {first['image'].std():.3f} |" in table
    )

    runs.iloc[:-1].to_csv(folder / "runs.csv", index=False)
    subprocess.run(command, check=True, capture_output=True)
    again = pd.read_csv(folder / "runs.csv", keep_default_na=False)
    pd.testing.assert_frame_equal(again, runs)
    assert (folder / "table.md").read_text() == table
