"""Stages that are trained on crops of cells: what is refused, rounds, and which fields their teachers have seen."""

import copy

import pytest
import yaml
from helpers.paths import ROOT

from puzzlecell.bundle.settings import implied_configuration
from puzzlecell.config import results
from puzzlecell.config.checks import look_problems
from puzzlecell.config.workflow import ConfigError, load_configuration

STAGES = "models.lite0.stages"
PUPIL = f"{STAGES}.pupil"
TEACHERS = [{"stage": "stage2", "step": 1}, {"stage": "stage2", "step": 2}]


@pytest.fixture
def values():
    """The default with another pupil as last of five members, an unlabelled data set and a second model."""
    values = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    values["datasets"]["more"] = {"role": "unlabelled", "path": "data/more"}
    values["models"]["lite0"]["stages"]["pupil"] = {
        "kind": "cells",
        "start": "stage2",
        "datasets": ["train", "additional", "more"],
        "learns_from": copy.deepcopy(TEACHERS),
    }
    values["models"]["other"] = {
        "input": {"field_size": 192, "crop_size": 192},
        "stages": {"only": {"datasets": ["additional"]}},
    }
    stages = [("stage2", 1), ("stage2", 2), ("stage3", 1), ("stage3", 2), ("pupil", 2)]
    values["ensemble"]["members"] = [
        {"model": "lite0", "stage": stage, "step": step} for stage, step in stages
    ]
    return values


def changed(values, changes):
    values = copy.deepcopy(values)
    for dotted, value in changes.items():
        *path, last = dotted.split(".")
        inside = values
        for part in path:
            inside = inside[int(part)] if isinstance(inside, list) else inside[part]
        inside[int(last) if isinstance(inside, list) else last] = value
    return values


def load(values, changes=None):
    return load_configuration(changed(values, changes or {}), ROOT, files=False)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({f"{STAGES}.stage3.learns_from": TEACHERS}, "stage3.learns_from: only a stage with `kind: cells`"),
        ({f"{STAGES}.stage3.labels": "predicted"}, "stage3.labels: only a stage with `kind: cells` has this"),
        ({f"{STAGES}.stage3.targets": {}}, "stage3.targets: only a stage with `kind: cells` has this key"),
        ({f"{STAGES}.stage3.rounds": 2}, "stage3.rounds: only a stage with `kind: cells` has this key"),
        ({f"{STAGES}.stage3.transductive": True}, "stage3.transductive: only a stage with `kind: cells`"),
        ({f"{PUPIL}.learns_from": []}, "pupil.learns_from: no teacher is named; name at least one, such as"),
        (
            {f"{PUPIL}.labels": "graded"},
            "pupil.learns_from: a stage with `labels: graded` learns from grades",
        ),
        (
            {f"{PUPIL}.labels": "graded", f"{PUPIL}.learns_from": [], f"{PUPIL}.targets": {"ignore": [0, 1]}},
            "pupil.targets: a stage with `labels: graded` learns from grades alone; remove targets",
        ),
        (
            {f"{PUPIL}.labels": "graded", f"{PUPIL}.learns_from": [], f"{PUPIL}.rounds": 2},
            "pupil.rounds: a stage with `labels: graded` learns from grades alone; remove rounds",
        ),
        (
            {f"{PUPIL}.labels": "graded", f"{PUPIL}.learns_from": [], f"{PUPIL}.transductive": True},
            "pupil.transductive: a stage with `labels: graded` never learns from a test set",
        ),
        (
            {f"{PUPIL}.learns_from.0.model": "lite1"},
            "learns_from.0.model: no model 'lite1'; did you mean lite0",
        ),
        ({f"{PUPIL}.learns_from.1.stage": "stag2"}, "learns_from.1.stage: model lite0 has no stage 'stag2'"),
        ({f"{PUPIL}.learns_from.1.step": 1}, "learns_from.1: the same model, stage and step as"),
        ({f"{PUPIL}.learns_from.0.stage": "pupil"}, "a circle: lite0.pupil <- lite0.pupil"),
        (
            {f"{STAGES}.stage2.start": "pupil"},
            "pupil.start: the stages start from each other in a circle: pupil <- stage2 <- pupil",
        ),
        (
            {
                f"{STAGES}.next": {
                    "kind": "cells",
                    "datasets": ["train"],
                    "learns_from": [{"stage": "pupil", "step": 1}],
                }
            },
            "next.learns_from.0.step: the stage pupil is of the kind cells, and its maps were never trained on",
        ),
        (
            {"ensemble.members.4.step": 1},
            "ensemble.members.4.step: the stage pupil is of the kind cells, and",
        ),
        (
            {"ensemble.members": [{"model": "lite0", "stage": "pupil", "step": 2}]},
            "ensemble.members: all are stages of the kind cells, which predict no whole fields",
        ),
        (
            {f"{PUPIL}.datasets": ["train", "test"]},
            "test has the role test. The labels of test sets are never used; to learn from predictions",
        ),
        (
            {
                f"{PUPIL}.datasets": ["train", "test"],
                f"{PUPIL}.labels": "graded",
                f"{PUPIL}.learns_from": [],
            },
            "test has the role test; only data sets with the role train, additional or unlabelled",
        ),
        (
            {f"{PUPIL}.datasets": ["train", "holdout"], f"{PUPIL}.transductive": True},
            "holdout has the role holdout; only data sets with the role train, additional or unlabelled",
        ),
        ({f"{STAGES}.stage1.datasets": ["train", "more"]}, "more has the role unlabelled; only stages with"),
        ({f"{STAGES}.stage1.datasets": ["train", "test"]}, "test has the role test; only data sets with"),
        ({f"{PUPIL}.datasets": ["more"]}, "pupil.datasets: none has the role train or additional"),
        (
            {
                f"{PUPIL}.rounds": 3,
                f"{STAGES}.pupil-round2": {"datasets": ["train"]},
            },
            "pupil.rounds: the earlier rounds are called pupil-round1, ..., but there is a stage pupil-round2",
        ),
        (
            {f"{STAGES}.stage2.datasets": ["additional"]},
            "learns_from.0: lite0.stage2 starts or learns from a stage that was trained on train, but is not",
        ),
        (
            {
                f"{STAGES}.ready": {"checkpoints": "weights/{fold}.safetensors"},
                f"{PUPIL}.learns_from.0.stage": "ready",
            },
            "learns_from.0: lite0.ready has ready weights and names no data sets, so it is not known which",
        ),
        ({f"{PUPIL}.targets": {"ignore": [0.7, 0.3]}}, "two values, the lower one first"),
    ],
)
def test_a_mistake_is_reported_with_its_key(values, changes, expected):
    with pytest.raises(ConfigError) as caught:
        load(values, changes)
    assert expected in str(caught.value)
    lines = str(caught.value).splitlines()
    assert sum(expected in line for line in lines) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {f"{PUPIL}.start": None},
        {f"{PUPIL}.datasets": ["train", "test"], f"{PUPIL}.transductive": True},
        {f"{PUPIL}.labels": "graded", f"{PUPIL}.learns_from": []},
        {f"{PUPIL}.checkpoints": "weights/{fold}.safetensors", f"{PUPIL}.learns_from": []},
        {f"{PUPIL}.learns_from.0": {"model": "other", "stage": "only", "step": 1}},
        {
            f"{STAGES}.ready": {"checkpoints": "weights/{fold}.safetensors", "datasets": ["train"]},
            f"{PUPIL}.learns_from.0.stage": "ready",
        },
    ],
)
def test_what_is_allowed(values, changes):
    assert load(values, changes).models["lite0"].stages["pupil"].kind == "cells"


def test_rounds_are_stages_that_learn_from_each_other(values):
    settings = load(values, {f"{PUPIL}.rounds": 3, f"{PUPIL}.training": {"epochs": 7}})
    stages = settings.models["lite0"].stages
    assert list(stages)[-3:] == ["pupil-round1", "pupil-round2", "pupil"]
    assert [
        [(teacher.model, teacher.stage, teacher.step) for teacher in settings.teachers("lite0", name)]
        for name in list(stages)[-3:]
    ] == [
        [("lite0", "stage2", 1), ("lite0", "stage2", 2)],
        [("lite0", "pupil-round1", 2)],
        [("lite0", "pupil-round2", 2)],
    ]
    for name in list(stages)[-3:]:
        assert (stages[name].start, stages[name].rounds) == ("stage2", 1)
        assert settings.stage_training("lite0", name).epochs == 7
    assert [stage for _, stage in settings.trained_stages()][-3:] == ["pupil", "pupil-round2", "pupil-round1"]


def test_teachers_are_trained_for_the_ensemble_and_fields_are_predicted_by_others(values):
    changes = {f"{PUPIL}.learns_from.0": {"model": "other", "stage": "only", "step": 1}}
    changes["ensemble.members"] = [
        {"model": "lite0", "stage": "pupil", "step": 2},
        {"model": "lite0", "stage": "stage3", "step": 2},
    ]
    settings = load(values, changes)
    assert settings.trained_stages() == [
        ("lite0", "pupil"),
        ("lite0", "stage2"),
        ("lite0", "stage1"),
        ("other", "only"),
        ("lite0", "stage3"),
    ]
    assert settings.member_stages("fields") == [("lite0", "stage3")]
    assert settings.first_member.stage == "stage3"
    assert settings.seen_sets("lite0", "pupil") == ["train", "additional", "more"]
    assert settings.held_out_sets("lite0", "pupil") == ["train", "additional"]
    assert settings.seen_sets("lite0", "stage2") == ["train"]


def test_the_targets_depend_on_their_own_settings_and_teachers(values):
    def found(changes=None):
        return results.targets(load(values, changes), "lite0", "pupil")

    assert found() == found({f"{PUPIL}.training": {"epochs": 9}})
    for changes in (
        {f"{PUPIL}.targets": {"ignore": [0.3, 0.7]}},
        {f"{PUPIL}.learns_from.0.weight": 2},
        {"negative": None},
    ):
        assert found() != found(changes)


def test_a_bundle_says_which_stages_were_trained_on_cells():
    members = [{"model": "lite0", "stage": "stage2"}, {"model": "lite0", "stage": "pupil", "kind": "cells"}]
    manifest = {"settings": {"segmentation": {"method": "classical", "classical": {}}}, "members": members}
    manifest |= {"carried": {}, "negative": None, "folds": 2}
    found = implied_configuration(manifest, "model", {})["models"]["lite0"]["stages"]
    assert {name: stage.get("kind") for name, stage in found.items()} == {"stage2": None, "pupil": "cells"}


def test_the_look_is_that_of_the_first_member_that_predicts_fields(values):
    """The first one of all has ready weights, whose training fields are not known."""
    pupil = {"checkpoints": "weights/{fold}.safetensors", "datasets": [], "learns_from": []}
    changes = {f"{PUPIL}.{key}": value for key, value in pupil.items()}
    changes["ensemble.members"] = [
        {"model": "lite0", "stage": "pupil", "step": 2},
        {"model": "lite0", "stage": "stage3", "step": 1},
    ]
    changes["unlike_training"] = {"look": "this_run"}
    settings = load(values, changes)
    assert settings.first_member.stage == "stage3"
    assert look_problems(settings, ROOT) == []
    changes["ensemble.members"][0]["model"] = "lite9"
    with pytest.raises(ConfigError, match="no model 'lite9'"):
        load_configuration(changed(values, changes), ROOT)
