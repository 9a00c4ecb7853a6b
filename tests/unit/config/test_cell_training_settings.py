"""Training settings of a stage on crops of cells, and what its weights depend on."""

import pytest
import yaml
from helpers.paths import ROOT

from puzzlecell.config import results
from puzzlecell.config.training import merged
from puzzlecell.config.workflow import ConfigError, load_configuration

PUPIL = {
    "kind": "cells",
    "start": "stage2",
    "datasets": ["train"],
    "learns_from": [{"stage": "stage2", "step": 2}],
}


def configuration(changes=None, **training):
    values = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    values["models"]["lite0"]["stages"]["pupil"] = {**PUPIL, "training": training}
    return load_configuration(merged(values, changes or {}), ROOT, files=False)


@pytest.mark.parametrize("changes", [{}, {"training": {"puzzle": {"pieces": 16, "validate_tiles": False}}}])
def test_there_is_no_puzzle_of_cells_whatever_other_stages_have(changes):
    settings = configuration(changes)
    assert settings.stage_training("lite0", "pupil").puzzle.pieces == 0
    assert settings.stage_training("lite0", "stage2").puzzle.pieces != 0
    configuration(puzzle={"pieces": 0})
    expected = r"models.lite0.stages.pupil.training.puzzle.pieces: found 4, expected 0: crops of cells"
    with pytest.raises(ConfigError, match=expected):
        configuration(changes, puzzle={"pieces": 4})


@pytest.mark.parametrize(
    ("changes", "depends"),
    [
        ({"margin": 0.1}, True),
        ({"pool": "canvas"}, True),
        ({"crop": 128}, True),
        ({"mask": "none"}, True),
        ({"scale": "enlarged"}, True),
        ({"padding": "field"}, True),
        ({"source": "raw"}, False),
        ({"canvas": "fitted"}, False),
        ({"precision": "bf16"}, False),
        ({"tta": {"flip": True}}, False),
        ({"batch_size": 5}, False),
    ],
)
def test_a_training_depends_on_how_step_2_cuts_and_reads_cells(changes, depends):
    before, after = configuration(), configuration({"step2": changes})
    pupils, fields = (
        [results.training(settings, "lite0", stage) for settings in (before, after)]
        for stage in ("pupil", "stage2")
    )
    assert (pupils[0] != pupils[1]) is depends
    assert fields[0] == fields[1]
