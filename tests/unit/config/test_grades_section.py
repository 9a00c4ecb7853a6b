"""Settings of grades, stages that learn from them, and the recipe of the documentation."""

import re

import pytest
import yaml
from helpers.paths import ROOT

from puzzlecell.config import results
from puzzlecell.config.grades import GradeSettings
from puzzlecell.config.training import merged
from puzzlecell.config.workflow import ConfigError, load_configuration


@pytest.fixture(autouse=True)
def in_the_project(monkeypatch):
    """Paths of the configuration start at the project's folder."""
    monkeypatch.chdir(ROOT)


def configuration(changes):
    return load_configuration(
        merged(yaml.safe_load((ROOT / "config/config.yaml").read_text()), changes), ROOT
    )


def stage(*datasets):
    return {
        "lite0": {
            "stages": {
                "g": {"kind": "cells", "labels": "graded", "transductive": True, "datasets": list(datasets)}
            }
        }
    }


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"grades": {"values": [0, 0.2, 0.1, 1, 1]}},
            "grades: values: found [0.0, 0.2, 0.1, 1.0, 1.0]; a higher grade",
        ),
        (
            {"grades": {"per_class": {"Cytosol": [1, 0, 0, 0, 0]}}},
            "per_class.Cytosol: found [1.0, 0.0, 0.0, 0.0, 0.0]",
        ),
        (
            {"grades": {"per_class": {"Golgi": [0, 0, 0, 0, 1]}}},
            "grades.per_class: no class 'Golgi'; did you mean Golgi",
        ),
        ({"grades": {"helt_out": 0.1}}, "grades.helt_out: unknown key; did you mean held_out?"),
        (
            {"models": stage("train", "test")},
            "models.lite0.stages.g.datasets: test has the role test; only data sets with the role train, additional or",
        ),
        (
            {"models": stage("holdout")},
            "models.lite0.stages.g.datasets: holdout has the role holdout; only data sets with the role",
        ),
    ],
)
def test_refused_configurations(changes, expected):
    with pytest.raises(ConfigError) as error:
        configuration(changes)
    assert expected in str(error.value)


def test_values_per_class():
    given = GradeSettings(values=(0, 0, 0, 0, 1), per_class={"b": (0, 0, 1, 1, 1)})
    assert given.values_of(["a", "b"]) == [(0, 0, 0, 0, 1), (0, 0, 1, 1, 1)]


@pytest.mark.parametrize(
    ("changes", "keys"),
    [
        ({"grades": {"held_out": 0.3}}, ("held_out_grades",)),
        ({"grades": {"max_unplaced": 0.3}}, ("placed_grades",)),
        ({"folds": {"group": None}}, ("held_out_grades",)),
        ({"score": {"bootstrap": 3}}, ("graded_score",)),
        ({"score": {"iou_threshold": 0.5}}, ()),
    ],
)
def test_what_a_setting_decides(changes, keys):
    before, after = configuration({}), configuration(changes)
    names = ("held_out_grades", "placed_grades", "graded_score")
    assert tuple(n for n in names if getattr(results, n)(before) != getattr(results, n)(after)) == keys


def recipe():
    """The configuration below `Noisy labels first` in the documentation."""
    page = (ROOT / "docs/cells.md").read_text()
    return yaml.safe_load(re.search(r"Noisy labels first.*?```yaml\n(.*?)```", page, re.DOTALL)[1])


def test_noisy_labels_first_and_clean_ones_last():
    found = configuration(recipe())
    stages = found.models["lite0"].stages
    assert [(stages[name].kind, stages[name].labels, stages[name].start) for name in ("pupil", "graded")] == [
        ("cells", "predicted", "stage2"),
        ("cells", "graded", "pupil"),
    ]
    noisy, clean = (found.stage_training("lite0", name) for name in ("pupil", "graded"))
    assert noisy.epochs < clean.epochs
    assert noisy.optimiser.learning_rate > clean.optimiser.learning_rate
    assert noisy.augmentation != clean.augmentation
    assert ("lite0", "pupil") in found.trained_stages()
