"""The study over worlds: targets of pupils, readings, and a tiny study from the fields to its tables."""

import sys

import cell_pupils
import numpy as np
import pandas as pd
import pytest
import techniques
import world_readings
import world_tasks
import worlds
import yaml

SIMULATION = {"size": 64, "cells": [3, 5], "negative_fields": 0.3}
FIELDS = {"train": 12, "test": 6}
SMALL = {
    "seeds": [1],
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
    "techniques": {
        "steps": 1,
        "batch": 4,
        "rate": 1e-3,
        "variants": {name: {"technique": name} for name in techniques.TECHNIQUES},
    },
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
    found = cell_pupils.recipe_targets(oof, labels, recipe, negative=2)
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


def test_a_tiny_study_scores_every_task_once(tmp_path, monkeypatch, caplog):
    study = SMALL | {"output": str(tmp_path / "out")}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    monkeypatch.setattr(sys, "argv", ["worlds.py", str(tmp_path / "study.yaml"), "--processes", "1"])
    worlds.main()
    assert "the world absent is left out: no/such/folder is absent" in caplog.text
    runs = pd.read_csv(tmp_path / "out/runs.csv")
    assert runs["map"].between(0, 1).all()
    assert not runs.duplicated(["world", "seed", "kind", "name", "reading"]).any()
    # Base and one pupil in each world; the other pupils and all techniques in the world that is not kept out.
    assert runs.drop_duplicates(["world", "kind", "name"])["world"].value_counts().to_dict() == {
        "one": 1 + 3 + len(techniques.TECHNIQUES),
        "two": 2,
    }
    step2 = runs[(runs["kind"] == "base") & (runs["reading"] == "step 2")].set_index("world")["map"]
    line = f"| step 2 | {step2['one']:.3f} |  | {step2['one']:.3f} |  | {step2['two']:.3f} |"
    assert line in (tmp_path / "out/table.md").read_text()

    monkeypatch.setattr(world_tasks, "train", None)
    monkeypatch.setattr(world_tasks, "train_pupil", None)
    monkeypatch.setattr(world_tasks, "train_technique", None)
    worlds.main()
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "out/runs.csv"), runs)
