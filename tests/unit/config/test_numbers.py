"""Every number of the configuration, found in the annotations of its sections, refuses what is none."""

import copy
import typing
from itertools import pairwise
from types import UnionType

import pytest
import yaml
from helpers.paths import ROOT
from pydantic import BaseModel

from puzzlecell.config.submission import MergeSettings
from puzzlecell.config.training import TrainingSettings
from puzzlecell.config.workflow import ConfigError, Configuration, load_configuration

DEFAULT = yaml.safe_load((ROOT / "config/config.yaml").read_text())
for stage in DEFAULT["models"]["lite0"]["stages"].values():
    # A value of the model that each of its stages overrides would never be used, and so not be checked.
    stage["training"] = {}
# Names to fill in where a section may occur under any name.
NAMES = {
    "datasets": "train",
    "channels": "red",
    "models": "lite0",
    "stages": "stage1",
    "per_class": "Cytosol",
}
PARTS = {"training": TrainingSettings, "network": None, "input": None}


def places(annotation, path=()):
    """Paths of all places for a single value below an annotation, each with the types that it may have."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        yield from places(arguments[0], path)
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for name, field in annotation.model_fields.items():
            partial = partial_section(annotation, name)
            yield from places(partial or field.annotation, (*path, name))
    elif origin in (typing.Union, UnionType):
        kinds = set()
        for argument in arguments:
            for inside, found in places(argument, path):
                if inside == path:
                    kinds |= found
                else:
                    yield inside, found
        if kinds:
            yield path, kinds
    elif origin is tuple and Ellipsis not in arguments:
        for number, argument in enumerate(arguments):
            yield from places(argument, (*path, number))
    elif origin in (list, tuple):
        yield from places(arguments[0], (*path, 0))
    elif origin is dict:
        yield from places(arguments[1], (*path, NAMES.get(path[-1], 0)))
    elif origin is typing.Literal:
        yield path, {type(value) for value in arguments}
    else:
        yield path, {annotation}


def partial_section(section, name):
    """The section that the keys under `name` of a model or stage override, which pydantic sees as a plain dict."""
    if section.__name__ not in ("ModelSettings", "StageSettings") or name not in PARTS:
        return None
    return PARTS[name] or TrainingSettings.model_fields[name].annotation


def numbers(section, kinds):
    """Places of numbers of these types in a section; places that are also for truth values do not count."""
    return [path for path, found in places(section) if found & kinds and not found & {bool}]


def changed(values, path, value):
    """Copy of `values` with the value at a path; tuples that are not there get ones in their other places."""
    result = copy.deepcopy(values)
    inside = result
    for part, following in pairwise(path):
        empty = [] if isinstance(following, int) and part != "class_thresholds" else {}
        if isinstance(inside, list):
            inside += [{} for _ in range(part + 1 - len(inside))]
        elif not isinstance(inside.get(part), type(empty)):
            inside[part] = empty
        inside = inside[part]
    if isinstance(inside, list):
        inside += [1 for _ in range(max(2, path[-1] + 1) - len(inside))]
    inside[path[-1]] = value
    return result


def dotted(path):
    """The key as messages name it: tuples and mappings of values as a whole or by their position."""
    whole = path[:-1] if isinstance(path[-1], int) else path
    return ".".join(map(str, whole[: whole.index("per_class") + 1] if "per_class" in whole else whole))


def refused(path, value):
    try:
        load_configuration(changed(DEFAULT, path, value), ROOT)
    except ConfigError as error:
        return dotted(path) in str(error)
    return False


FLOATS = numbers(Configuration, {float})
NUMBERS = numbers(Configuration, {float, int})


def test_the_walk_finds_the_numbers_of_every_kind():
    found = {".".join(map(str, path)) for path in NUMBERS}
    assert {
        "datasets.train.pixel_size_um",
        "datasets.train.simulate.patterns_per_field.2",
        "training.optimiser.betas.1",
        "training.optimiser.clip_norm",
        "training.ema.decay",
        "training.augmentation.blur.gaussian_kernel.0",
        "training.puzzle.pieces",
        "models.lite0.training.loss.gamma",
        "models.lite0.network.drop_rate",
        "models.lite0.input.crop_size",
        "models.lite0.stages.stage1.training.loss.gamma",
        "segmentation.classical.pixel_um",
        "ensemble.members.0.weight",
        "ensemble.image_fusion.weight",
        "ensemble.class_thresholds.0",
        "ensemble.max_classes",
        "step2.crop",
    } <= found
    assert len(FLOATS) > 200
    assert len(NUMBERS) > 300
    assert not [path for path in NUMBERS if "channels_last" in path]


@pytest.mark.parametrize(
    "value", [float("inf"), float("-inf"), float("nan"), "inf", "-Infinity", "nan", ".inf", "1e999"]
)
def test_no_float_may_be_infinite_or_no_number(value):
    accepted = [dotted(path) for path in FLOATS if not refused(path, value)]
    assert accepted == []


@pytest.mark.parametrize("value", [True, False])
def test_no_number_may_be_a_truth_value(value):
    accepted = [dotted(path) for path in NUMBERS if not refused(path, value)]
    assert accepted == []


def test_numbers_in_merging_are_checked_too():
    for path in numbers(MergeSettings, {float, int}):
        for value in (float("inf"), float("nan"), True):
            with pytest.raises(ValueError, match=str(path[0])):
                MergeSettings(**changed({}, path, value))


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("training.epochs", True, "training.epochs: found true; expected a number"),
        ("training.epochs", "1_6", "training.epochs: found '1_6'; expected a number without underscores"),
        ("training.loss.gamma", "1_0.5", "training.loss.gamma: found '1_0.5'; expected a number without"),
        (
            "training.loss.gamma",
            float("nan"),
            "training.loss.gamma: found nan; input should be a finite number",
        ),
        (
            "training.augmentation.blur.gaussian_kernel",
            [True, 5],
            "training.augmentation.blur.gaussian_kernel: found true; expected a number",
        ),
        (
            "ensemble.class_thresholds",
            {True: 0.5},
            "ensemble.class_thresholds: found true; expected a number",
        ),
        ("ensemble.image_fusion.except_classes", [False], "except_classes: found false; expected a number"),
        ("training.compute.channels_last", "maybe", "training.compute.channels_last: found 'maybe'"),
        ("training.network.pretrained", float("inf"), "training.network.pretrained: found inf"),
    ],
)
def test_messages_say_what_was_found(path, value, expected):
    with pytest.raises(ConfigError) as caught:
        load_configuration(changed(DEFAULT, path.split("."), value), ROOT)
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("path", "value", "read"),
    [
        ("training.loss.gamma", "1e-3", 0.001),
        ("training.loss.gamma", 2, 2.0),
        ("training.epochs", "16", 16),
        ("training.epochs", 16.0, 16),
        ("training.compute.channels_last", "no", False),
        ("training.compute.channels_last", True, True),
        ("training.network.pretrained", False, False),
        ("training.network.pretrained", "package", "package"),
    ],
)
def test_usual_ways_to_write_a_value_are_accepted(path, value, read):
    settings = load_configuration(changed(DEFAULT, path.split("."), value), ROOT)
    for name in path.split("."):
        settings = getattr(settings, name)
    assert settings == read
    assert type(settings) is type(read)
