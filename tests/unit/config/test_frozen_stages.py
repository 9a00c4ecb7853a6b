"""Stages with a frozen backbone: settings that they cannot follow, and what their features depend on."""

import pytest
import yaml
from helpers.paths import ROOT

from puzzlecell.config import frozen_stages, results
from puzzlecell.config.training import merged
from puzzlecell.config.workflow import ConfigError, load_configuration

HEAD = {"datasets": ["train"], "training": {"network": {"frozen": True}}}
STAGES = {
    "stage1": {"datasets": ["train"]},
    "head": HEAD,
    "probe": {**HEAD, "start": "stage1"},
    "more": {**HEAD, "start": "probe", "datasets": ["train", "additional"]},
    "tuned": {"datasets": ["train"], "start": "head"},
}


def configuration(changes=None):
    values = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    values["models"]["lite0"]["stages"] = STAGES
    values["models"]["other"] = {**values["models"]["lite0"], "seed": 5, "stages": {"head": HEAD}}
    values["ensemble"]["members"] = [{"model": "lite0", "stage": "more", "step": 1}]
    return load_configuration(merged(values, changes or {}), ROOT, files=False)


def of_head(changes):
    return {"models": {"lite0": {"stages": {"head": {"training": changes}}}}}


def of_model(changes):
    return {"models": {"lite0": changes}}


def test_there_is_no_puzzle_and_no_augmentation_whatever_other_stages_have():
    settings = configuration({"training": {"augmentation": "reference", "puzzle": {"pieces": 16}}})
    head, stage1 = (settings.stage_training("lite0", stage) for stage in ("head", "stage1"))
    assert (head.puzzle.pieces, head.augmentation) == (0, "none")
    assert (stage1.puzzle.pieces, stage1.augmentation) == (16, "reference")
    assert head.network.frozen
    assert not settings.stage_training("lite0", "tuned").network.frozen
    # All stages of a model, of which one unfreezes its own.
    settings = configuration(
        merged(
            of_model({"network": {"frozen": True}}),
            {"models": {"lite0": {"stages": {"stage1": {"training": {"network": {"frozen": False}}}}}}},
        )
    )
    assert settings.stage_training("lite0", "tuned").puzzle.pieces == 0
    assert settings.stage_training("lite0", "stage1").puzzle.pieces == 4
    assert frozen_stages.frozen_stages(settings)[:2] == [("lite0", "head"), ("lite0", "probe")]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            of_head({"puzzle": {"pieces": 9}}),
            r"models.lite0.stages.head.training.puzzle.pieces: found 9, expected 0: models.lite0.stages.head has",
        ),
        (
            of_head({"augmentation": "light"}),
            r"models.lite0.stages.head.training.augmentation: found light, expected none: .* features.flip and",
        ),
        (
            of_head({"augmentation": {"rotate90": 0}}),
            r"augmentation: found settings of its own, expected none",
        ),
        # As special as the setting that freezes the backbone.
        (
            {"training": {"network": {"frozen": True}, "puzzle": {"pieces": 4}}},
            r"training.puzzle.pieces: found 4, expected 0: models.lite0.stages.stage1 has a frozen backbone",
        ),
        (
            of_model({"network": {"frozen": True}, "training": {"puzzle": {"pieces": 4}}}),
            r"models.lite0.training.puzzle.pieces: found 4, expected 0",
        ),
        (
            of_model(
                {
                    "network": {"frozen": True},
                    "stages": {
                        "pupil": {
                            "kind": "cells",
                            "start": "stage1",
                            "datasets": ["train"],
                            "learns_from": [{"stage": "stage1", "step": 2}],
                        }
                    },
                }
            ),
            r"models.lite0.network.frozen: found true, expected false for models.lite0.stages.pupil: features are "
            r"stored for whole fields, not of crops of cells; set models.lite0.stages.pupil.training.network.frozen: "
            r"false",
        ),
        (of_head({"loss": {"alpha": 0}}), r"nothing would be learnt from the labels"),
    ],
)
def test_what_a_frozen_backbone_excludes_is_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        configuration(changes)


@pytest.mark.parametrize(
    ("changes", "depends"),
    [
        ({"optimiser": {"learning_rate": 0.5}}, False),
        ({"epochs": 3, "early_stop": 2, "batch_size": 5}, False),
        ({"loss": {"label_smoothing": 0.1}, "sampler": {"kind": "none"}, "seed": 9}, False),
        ({"network": {"drop_rate": 0.5}}, False),
        ({"input": {"crop_size": 64}}, False),
        ({"input": {"field_size": 256}}, True),
        ({"features": {"rotate": True}}, True),
        ({"network": {"backbone": "resnet18", "pretrained": False}}, True),
        ({"network": {"output_stride": 32}}, True),
        ({"network": {"pretrained": "w.safetensors"}}, True),
    ],
)
def test_features_depend_on_the_encoder_and_the_field_but_the_weights_on_all(changes, depends):
    before, after = configuration(), configuration(of_head(changes))
    found = [frozen_stages.features(settings, "lite0", "head") for settings in (before, after)]
    assert (found[0] != found[1]) is depends
    weights = [results.training(settings, "lite0", "head") for settings in (before, after)]
    assert weights[0] != weights[1]


def test_other_trainings_depend_on_neither_views_nor_the_augmentation_of_the_others():
    changes = {"training": {"features": {"rotate": True}}}
    before, after = configuration(), configuration(changes)
    for stage, differs in (("stage1", False), ("head", True)):
        found = [results.training(settings, "lite0", stage) for settings in (before, after)]
        assert (found[0] != found[1]) is differs
    changed = configuration({"training": {"augmentation": "reference"}})
    assert results.training(changed, "lite0", "head") == results.training(before, "lite0", "head")


def test_equal_features_are_those_of_the_first_stage():
    """A stage that starts from a frozen one has the backbone of that one, which differs between folds or does not."""
    settings = configuration()
    names = [("lite0", "head"), ("lite0", "probe"), ("lite0", "more"), ("other", "head")]
    assert [frozen_stages.features_of(settings, *name) for name in names] == [
        ("lite0", "head"),
        ("lite0", "probe"),
        ("lite0", "probe"),
        ("lite0", "head"),
    ]
    assert [frozen_stages.encoder_start(settings, *name) for name in names] == [
        None,
        "stage1",
        "stage1",
        None,
    ]
    # Random weights depend on the seed, which differs between the models.
    random = {"network": {"pretrained": False}}
    settings = configuration({"models": {"lite0": random, "other": random}})
    assert frozen_stages.features_of(settings, "other", "head") == ("other", "head")
    assert frozen_stages.features(settings, "other", "head")["training.seed"] == "5"
