"""A changed configuration is a valid one with the values given, or is refused with our message."""

import copy
import math

import pytest
import yaml
from helpers.paths import ROOT
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from puzzlecell.config.workflow import ConfigError, load_configuration
from puzzlecell.config.yaml_file import file_text_problems

DEFAULT = yaml.safe_load((ROOT / "config/config.yaml").read_text())
TEXTS = [
    "",
    "inf",
    "-.inf",
    ".nan",
    "1e400",
    "1_6",
    "{fold}",
    "{x}",
    "{",
    "yes",
    "null",
    "../x",
    "\x00",
    "é",
    "([",
]
NUMBERS = st.one_of(
    st.integers(), st.floats(), st.sampled_from([0, -1, 10**30, math.inf, -math.inf, math.nan, 5e-324])
)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, st.sampled_from(TEXTS), st.text(max_size=8))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.text(max_size=6), st.integers(-2, 30)), inner, max_size=3),
    ),
    max_leaves=6,
)


def places(values, so_far=()):
    """Paths of all values in nested mappings and lists."""
    found = [so_far] if so_far else []
    if isinstance(values, dict):
        entries = list(values.items())
    else:
        entries = list(enumerate(values)) if isinstance(values, list) else []
    for key, value in entries:
        found += places(value, (*so_far, key))
    return found


PLACES = places(DEFAULT)
SECTIONS = [
    ("training", "loss", "gamma"), ("training", "loss", "focal_gamma"), ("training", "epochs"),
    ("training", "optimiser", "clip_norm"), ("training", "sampler", "clip"), ("training", "augmentation"),
    ("step1", "quantile"), ("step2", "margin"), ("ensemble", "threshold"), ("ensemble", "class_thresholds"),
    ("submission", "digits"), ("score", "iou_threshold"), ("segmentation", "method"), ("segmentation", "classical"),
    ("ingest", "max_rejected"), ("ensemble", "image_fusion", "except_classes"),
    ("models", "lite0", "stages", "stage2", "checkpoints"), ("models", "lite0", "seed"),
    ("models", "lite0", "training"), ("models", "lite0", "network", "pretrained"),
]  # fmt: skip


def changed(place, value):
    values = copy.deepcopy(DEFAULT)
    inside = values
    for key in place[:-1]:
        inside = inside.setdefault(key, {}) if isinstance(inside, dict) else inside[key]
    if isinstance(inside, dict | list):
        inside[place[-1]] = value
    return values


def numbers(section):
    """All numbers in a validated configuration."""
    if isinstance(section, BaseModel):
        return [number for _, value in section for number in numbers(value)]
    if isinstance(section, dict):
        return [number for value in section.values() for number in numbers(value)]
    if isinstance(section, list | tuple):
        return [number for value in section for number in numbers(value)]
    return [section] if isinstance(section, int | float) else []


@pytest.fixture(autouse=True)
def in_the_project(monkeypatch):
    monkeypatch.chdir(ROOT)


@given(
    changes=st.lists(
        st.tuples(
            st.sampled_from(PLACES + SECTIONS), st.one_of(VALUES, st.sampled_from([1, 0.5, "x", True]))
        ),
        min_size=1,
        max_size=2,
    )
)
def test_any_value_anywhere_is_accepted_as_it_is_or_refused(changes):
    values = DEFAULT
    for place, value in changes:
        values = changed(place, value)
    try:
        configuration = load_configuration(values)
    except ConfigError as error:
        assert str(error).startswith("the configuration cannot be used:\n  ")
        return
    for model, settings in configuration.models.items():
        for stage in settings.stages:
            assert all(
                math.isfinite(number) for number in numbers(configuration.stage_training(model, stage))
            )
    assert all(math.isfinite(number) for number in numbers(configuration))


@given(text=st.text(max_size=200))
def test_any_text_as_a_class_table_gives_names_or_a_message(text, tmp_path_factory):
    from puzzlecell.config.class_table import ClassTableError, read_classes

    path = tmp_path_factory.getbasetemp() / "classes.csv"
    path.write_bytes(("index,name\n" + text).encode("utf-8", "surrogatepass"))
    try:
        names = read_classes(path)
    except ClassTableError as error:
        assert "classes.csv" in str(error)
    else:
        assert names
        assert len(set(names)) == len(names)
        assert all(name.strip() for name in names)


LINES = st.lists(
    st.tuples(
        st.sampled_from(["", "  ", "    ", "- ", "  - "]),
        st.sampled_from(
            ["a", "b", "'a'", "{", "&x", "*x", "<<", "? [a]", "1", "~", "\t", "!!python/object:os.system"]
        ),
        st.sampled_from([": ", ":", "", ": {a: 1, a: 2}", ": [1, 2", ": |", ": *x", ": 1_6"]),
    ).map("".join),
    max_size=6,
)


@given(content=st.one_of(LINES.map("\n".join).map(str.encode), st.binary(max_size=60)))
def test_any_configuration_file_is_read_without_lost_keys_or_refused(content, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "config.yaml"
    path.write_bytes(content)
    problems = file_text_problems([path])
    if problems:
        assert "config.yaml" in problems[0]
        return
    values = yaml.safe_load(content)
    assert isinstance(values, dict)
    # As many keys as the text has at its first level, unless it merges a mapping into it.
    keys = [key.value for key, _ in yaml.compose(content.decode()).value]
    assert "<<" in keys or len(values) == len(keys)
