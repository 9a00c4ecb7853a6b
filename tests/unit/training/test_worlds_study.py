"""The study over worlds: targets of pupils, readings, and a tiny study from the fields to its tables."""

import subprocess
import sys

import cell_pupils
import numpy as np
import pandas as pd
import pytest
import techniques
import world_readings
import yaml
from helpers.paths import ROOT

STUDIES = ROOT / "benchmarks/studies"
SIMULATION = {"size": 64, "cells": [3, 5], "negative_fields": 0.3}
FIELDS = {"train": 12, "test": 6}
SMALL = {
    "seeds": [1, 2],
    "store": 64,
    "worlds": {
        "one": {"fields": FIELDS, "simulation": SIMULATION},
        "two": {"fields": FIELDS, "simulation": SIMULATION, "overlays": [], "kept_out": True},
        "absent": {"fields": FIELDS, "composed_of": "no/such/folder"},
    },
    "training": {
        "epochs": 1,
        "network": {"backbone": "test_resnet", "pretrained": False, "output_stride": 8},
        "input": {"field_size": 64, "crop_size": 64},
        "augmentation": "none",
        "batch_size": 4,
        "puzzle": {"pieces": 0},
        "schedule": {"warmup_epochs": 0.1},
    },
    "stages": {"stage1": {"samples_per_epoch": 8}, "stage2": {"samples_per_epoch": 4}},
    "pupil": {
        "teachers": ["step1", "step2"],
        "combine": "product",
        "divide": True,
        "steps": 2,
        "batch": 4,
        "rate": 1e-3,
    },
    "pupils": {"pupil": {}, "short": {"steps": 1}, "short, two rounds": {"steps": 1, "rounds": 2}},
    "techniques": {"steps": 1, "batch": 4, "rate": 1e-3},
}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        # Geometric means of 0.4 and 0.9, and of 0.9 and 0.1, without the class that the field lacks; Negative is left.
        ({}, [0.6, 0.0, 0.4]),
        ({"divide": True}, [1.0, 0.0, 0.4 / 0.6]),
        ({"combine": "mean"}, [0.65, 0.0, 0.35]),
        ({"ignore": [0.3, 0.5]}, [0.6, 0.0, np.nan]),
        ({"truth": True}, [0.0, 1.0, 0.0]),
    ],
)
def test_targets(changes, expected):
    oof = {
        "id": np.array(["a"]),
        "step1": np.array([[0.4, 0.9, 0.2]]),
        "step2": np.array([[0.9, 0.1, 0.3]]),
        "truth": np.array([[0, 1, 0]]),
    }
    labels = pd.DataFrame({"ID": ["a"], "x": [1], "y": [0], "Negative": [1]})
    recipe = {"teachers": ["step1", "step2"], "combine": "product", "divide": False, **changes}
    found = cell_pupils.soft_targets(oof, labels, recipe, negative=2)
    np.testing.assert_allclose(found, [expected], rtol=1e-6)


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ({"weight": 1}, [0.6, 0.2]),
        ({"weight": 0.5}, [0.6**0.5, 0.08**0.5]),
        ({"weight": 0.5, "negative_by": "mean"}, [0.6**0.5, 0.25]),
        ({"weight": 0.5, "negative_by": "step2"}, [0.6**0.5, 0.1]),
        ({"weight": 1, "negative_by": "one_minus_max"}, [0.6, 0.4]),
        ({"weight": 1, "suppress": 2}, [0.6 * 0.8**2, 0.2]),
    ],
)
def test_readings(how, expected):
    members = {
        "step1": np.array([[0.4, 0.4]]),
        "step2": np.array([[0.9, 0.1]]),
        "field": np.array([[1.0, 0.4]]),
    }
    np.testing.assert_allclose(world_readings.reading(members, 1, **how), [expected])


def test_a_tiny_study_scores_every_task_once(tmp_path):
    study = {
        **SMALL,
        "techniques": {
            **SMALL["techniques"],
            "variants": {name: {"technique": name} for name in techniques.TECHNIQUES},
        },
    }
    (tmp_path / "study.yaml").write_text(
        yaml.safe_dump({**study, "output": str(tmp_path / "out")}, sort_keys=False)
    )
    command = [sys.executable, str(STUDIES / "worlds.py"), str(tmp_path / "study.yaml"), "--processes", "1"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "the world absent is left out: no/such/folder is absent" in done.stderr
    runs = pd.read_csv(tmp_path / "out/runs.csv")
    assert runs["map"].between(0, 1).all()
    assert not runs.duplicated(["world", "seed", "kind", "name", "reading"]).any()
    # Base and one pupil in each world; the other pupils and all techniques in the world that is not kept out.
    per_seed = runs.drop_duplicates(["world", "seed", "kind", "name"]).groupby(["world", "seed"]).size()
    assert per_seed.to_dict() == {("one", s): 1 + 3 + 7 for s in (1, 2)} | {("two", s): 2 for s in (1, 2)}
    rows = runs[(runs["kind"] == "base") & (runs["reading"] == "step 2")].pivot(
        index="seed", columns="world", values="map"
    )
    one = f"{rows['one'].mean():.3f}"
    assert f"| step 2 | {one} ± {rows['one'].std():.3f} | {one} |" in (tmp_path / "out/table.md").read_text()

    models = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("model.safetensors")}
    subprocess.run(command, check=True, capture_output=True)
    assert models == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("model.safetensors")}
