"""Models with `cells`, which read cells and are not trained here: settings, members, teachers, what depends on them."""

import pytest
import yaml
from helpers.paths import ROOT

from puzzlecell.config import results
from puzzlecell.config.class_table import read_classes
from puzzlecell.config.naming import Layout
from puzzlecell.config.reader_checks import unanswered_problems
from puzzlecell.config.training import merged
from puzzlecell.config.workflow import ConfigError, load_configuration
from puzzlecell.network.subcell_file import SubCellLayout, black_channel_problems

CELLS = {"kind": "subcell", "weights": "weights.safetensors"}
MEMBERS = [{"model": "lite0", "stage": "stage2", "step": 1}, {"model": "theirs"}]
ALONE = [{"model": "theirs"}]
WITHOUT_FIELDS = {
    "ensemble": {"image_fusion": None},
    "unlike_training": {"look": None},
    "fields": {"thresholds": 0.5},
}
PUPIL = {"kind": "cells", "start": "stage2", "datasets": ["train"], "learns_from": [{"model": "theirs"}]}


@pytest.fixture
def load(monkeypatch, tmp_path):
    """Loads the default configuration with changes, in a folder with weights, with a second member that reads cells."""
    for path in ("config", "src"):
        (tmp_path / path).symlink_to(ROOT / path)
    (tmp_path / "weights.safetensors").write_text("")
    monkeypatch.chdir(tmp_path)
    values = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    values = merged(values, {"models": {"theirs": {"cells": CELLS}}})
    values["ensemble"]["members"] = MEMBERS
    return lambda changes=None: load_configuration(merged(values, changes or {}))


def theirs(**changes):
    return {"models": {"theirs": changes}}


def with_members(*members, **more):
    return {"ensemble": {"members": list(members)}, **more}


def test_a_member_is_the_reading_of_cells_in_step_2(load):
    settings = load()
    member = settings.ensemble.members[1]
    assert (member.model, member.stage, member.step) == ("theirs", "cells", 2)
    assert settings.members_without_stages() == ["theirs"]
    assert settings.member_stages() == [("lite0", "stage2")]
    assert ("theirs", "cells") not in settings.trained_stages()


def test_it_can_be_the_only_member(load):
    settings = load(merged(with_members(*ALONE), WITHOUT_FIELDS))
    assert settings.first_member is None
    assert (settings.trained_stages(), settings.training_sets()) == ([], [])


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            theirs(stages={"a": {"datasets": ["train"]}}),
            "expected one of stages, cells and table; found stages and",
        ),
        (theirs(table="{ds}.csv"), "expected one of stages, cells and table; found cells and table"),
        (
            {"models": {"empty": {"seed": None}}},
            "expected one of stages, cells and table; found none of them",
        ),
        (
            theirs(network={"backbone": "x"}, seed=1),
            "a model with cells is not trained; remove network, seed",
        ),
        (theirs(cells={"kind": "subcel"}), "models.theirs.cells.kind: found 'subcel'"),
        (theirs(cells={"weight": "x"}), "models.theirs.cells.weight: unknown key; did you mean weights?"),
        (theirs(cells={"crop_um": 0}), "models.theirs.cells.crop_um: found 0"),
        (theirs(cells={"mask": "other"}), "models.theirs.cells.mask: found 'other'"),
        (theirs(cells={"scaling": "channels"}), "models.theirs.cells.scaling: found 'channels'"),
        (
            theirs(cells={"weights": "no.safetensors"}),
            "models.theirs.cells.weights: no.safetensors: there is no such",
        ),
        (
            theirs(cells={"locations": "no.csv"}),
            "models.theirs.cells.locations: no.csv: there is no such file",
        ),
        (theirs(seen=["trian"]), "models.theirs.seen: no data set 'trian'; did you mean train?"),
        (
            {"models": {"lite0": {"seen": []}}},
            "a model with stages has seen the data sets of its stages; remove seen",
        ),
        (
            with_members({"model": "theirs", "stage": "stage2"}),
            "ensemble.members.0.stage: the model theirs has no stages; found 'stage2', remove this key",
        ),
        (
            with_members({"model": "theirs", "step": 1}),
            "ensemble.members.0.step: the model theirs reads cells one by one; found 1, remove this key",
        ),
        (
            with_members({"model": "lite0", "step": 1}),
            "ensemble.members.0.stage: this key is required, but missing",
        ),
        (
            with_members({"model": "theirs"}, {"model": "theirs", "stage": "cells", "step": 2}),
            "ensemble.members.1: the same model, stage and step as ensemble.members.0",
        ),
        (
            with_members({"model": "theirz"}),
            "no model 'theirz', so it is never trained; did you mean theirs?",
        ),
    ],
)
def test_mistakes_are_named(load, changes, expected):
    with pytest.raises(ConfigError) as caught:
        load(changes)
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        (
            {"ensemble": {"image_fusion": {"source": "image", "how": "mean"}}},
            "ensemble.image_fusion.source: image",
        ),
        ({"unlike_training": {"look": "this_run"}}, "unlike_training.look"),
        ({"fields": {"thresholds": "oof"}}, "fields.thresholds"),
    ],
)
def test_what_needs_whole_fields_is_refused_without_a_member_that_predicts_them(load, changes, key):
    changes = merged(WITHOUT_FIELDS, changes)
    load(changes)
    with pytest.raises(ConfigError) as caught:
        load(merged(changes, with_members(*ALONE)))
    assert f"{key}: this needs predictions of whole fields" in str(caught.value)


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (
            None,
            "not known whether it was trained on fields of train; name the data sets that it has seen in models.t",
        ),
        (
            ["train"],
            "models.theirs was trained on fields of train (models.theirs.seen), so it has no predictions for",
        ),
        (["holdout"], None),
        ([], None),
    ],
)
def test_a_teacher_must_not_have_seen_what_it_teaches(load, seen, expected):
    changes = merged(theirs(seen=seen), {"models": {"lite0": {"stages": {"pupil": PUPIL}}}})
    if expected is None:
        settings = load(changes)
        assert settings.teachers("lite0", "pupil")[0].step == 2
        assert settings.seen_sets("lite0", "pupil") == [
            name for name in settings.datasets if name in {"train", "holdout"} & {"train", *seen}
        ]
        return
    with pytest.raises(ConfigError) as caught:
        load(changes)
    assert "models.lite0.stages.pupil.learns_from.0: models.theirs" in str(caught.value)
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (theirs(cells={"crop_um": 40}), {"cells.crop_um"}),
        (theirs(cells={"mask": "none", "scaling": "channel"}), {"cells.mask", "cells.scaling"}),
        (theirs(cells={"source": "store"}), {"cells.source"}),
        (theirs(cells={"precision": "bf16"}), {"cells.precision"}),
        (theirs(cells={"batch_size": 3}), set()),
        ({"datasets": {"test": {"pixel_size_um": 0.2}}}, {"pixel_size_um"}),
        ({"datasets": {"holdout": {"pixel_size_um": 0.2}}}, set()),
        ({"step2": {"margin": 0.3}, "training": {"epochs": 3}, **theirs(seen=["train"])}, set()),
    ],
)
def test_what_its_tables_depend_on(load, changes, expected):
    plain, changed = (results.reading(load(found), "theirs", "test") for found in ({}, changes))
    assert {key for key, text in changed.items() if plain[key] != text} == expected
    # So does the answer, which is how a file for other tools says what made it.
    plain, changed = (results.answer(load(found), "test") for found in ({}, changes))
    assert {
        key for key, text in changed.items() if key.startswith("models.theirs") and plain[key] != text
    } == {f"models.theirs.{key}" for key in expected}


BLACK = {"red": "r", "green": "g", "blue": "b", "yellow": None}


@pytest.mark.parametrize(
    ("letters", "channels", "expected"),
    [
        ("rybg", BLACK, "in data set mine, yellow is black; use the variant rbg of SubCell"),
        (
            "rybg",
            {**BLACK, "red": None},
            "in data set mine, red and yellow is black; use the variant bg of SubCell",
        ),
        ("ybg", BLACK, "in data set mine, yellow is black; use the variant rbg of SubCell"),
        ("bg", {**BLACK, "green": None}, "in data set mine, green is black; no variant of SubCell fits"),
        ("rbg", BLACK, None),
        ("rybg", {**BLACK, "yellow": {"same_as": "red"}}, None),
    ],
)
def test_a_black_channel_is_refused_that_the_network_was_trained_with(load, letters, channels, expected):
    mine = {"role": "test", "naming": "{ID}_{channel}.tif", "channels": channels}
    settings = load({"datasets": {"mine": mine}})
    layouts = {name: settings.datasets[name].layout for name in ("mine", "test")}
    assert layouts["test"] == Layout()
    found = black_channel_problems(SubCellLayout(channels=letters), layouts)
    assert len(found) == (expected is not None)
    assert all(problem.endswith(expected) for problem in found)


@pytest.mark.parametrize(
    ("members", "places"),
    [
        (MEMBERS, ["members.1.classes: {Aggresome: 0, Cytosol: 0}"]),
        ([MEMBERS[0], {**MEMBERS[1], "classes": {"Aggresome": 0}}], ["members.1.classes: {Cytosol: 0}"]),
        ([MEMBERS[0], {**MEMBERS[1], "classes": {"Aggresome": 0, "Cytosol": 0}}], []),
        # Nobody else could answer.
        (ALONE, []),
    ],
)
def test_classes_that_the_model_does_not_know_are_left_to_the_others(load, members, places):
    changes = {**WITHOUT_FIELDS, "ensemble": {"image_fusion": None, "members": members}}
    settings = load(changes)
    names = read_classes(settings.classes)
    unanswered = [names.index("Aggresome"), names.index("Cytosol")]
    found = unanswered_problems(settings.ensemble, "theirs", unanswered, names)
    assert [text.partition("ensemble.")[2] for text in found] == places
