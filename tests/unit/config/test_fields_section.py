"""The section `fields`: what is refused, and what each result depends on."""

import pytest
import yaml
from helpers.paths import ROOT

from puzzlecell.config import results
from puzzlecell.config.fields import FieldSettings, per_class
from puzzlecell.config.workflow import ConfigError, load_configuration

READY = "models.tiny.stages.stage2"


def loaded(fields, **stage):
    values = yaml.safe_load((ROOT / "tests/workflow/tiny.yaml").read_text())
    values["fields"] = fields
    values["models"]["tiny"]["stages"]["stage2"] |= stage
    return load_configuration(values, ROOT)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"fill": "Cytosole"}, "fields.fill: no class 'Cytosole'; did you mean Cytosol?"),
        ({"thresholds": [0.3, 0.4]}, "fields.thresholds: 2 thresholds, but there are 19 classes"),
        ({"cells": {"thresholds": [0.3]}}, "fields.cells.thresholds: 1 thresholds, but there are 19 classes"),
        (
            {"thresholds": 1.5},
            "fields.thresholds: found 1.5; expected a number from 0 to 1, one per class, oof",
        ),
        ({"thresholds": [0.1, "x"]}, "fields.thresholds: found 'x'; expected a number from 0 to 1"),
        ({"thresholds": []}, "fields.thresholds: found []; expected a number"),
        ({"thresholds": True}, "fields.thresholds: found true; expected a number"),
        (
            {"thresholds": "off"},
            "fields.thresholds: found 'off'; expected a number, one number per class, oof",
        ),
        (
            {"cells": {"thresholds": "oof"}},
            "fields.cells.thresholds: found 'oof'; expected a number from 0 to 1",
        ),
        ({"thresholds": "no/such.csv"}, "fields.thresholds: no/such.csv: there is no such file"),
    ],
)
def test_mistakes(fields, expected):
    with pytest.raises(ConfigError) as error:
        loaded(fields)
    lines = [line.strip() for line in str(error.value).splitlines()[1:]]
    assert len(lines) == 1
    assert lines[0].startswith(expected)


def test_out_of_fold_thresholds_need_training_of_every_member(tmp_path):
    for fold in (1, 2):
        (tmp_path / f"{fold}.safetensors").touch()
    with pytest.raises(ConfigError) as error:
        loaded({"thresholds": "oof_per_class"}, checkpoints=f"{tmp_path}/{{fold}}.safetensors", start=None)
    assert f"oof_per_class needs out-of-fold predictions, but {READY} has ready weights" in str(error.value)


def test_class_names_with_semicolons_are_refused(tmp_path):
    (tmp_path / "classes.csv").write_text("index,name\n0,Negative\n1,a;b\n")
    values = yaml.safe_load((ROOT / "tests/workflow/tiny.yaml").read_text())
    for given in values["datasets"].values():
        given.pop("simulate")
    with pytest.raises(ConfigError, match="the name 'a;b' contains a semicolon"):
        load_configuration({**values, "classes": "classes.csv"}, tmp_path)


def test_thresholds_decide_their_table_and_the_rest_the_answer():
    before, other_thresholds, other_fill = (
        loaded(given) for given in ({}, {"thresholds": 0.5}, {"fill": "Cytosol", "cells": {"top": 5}})
    )
    assert results.field_thresholds(before) != results.field_thresholds(other_thresholds)
    assert results.fields(before) == results.fields(other_thresholds)
    assert results.field_thresholds(before) == results.field_thresholds(other_fill)
    changed = {key for key, text in results.fields(before).items() if results.fields(other_fill)[key] != text}
    assert changed == {"fields.fill", "fields.cells.top"}


@pytest.mark.parametrize(
    ("thresholds", "out_of_fold", "file"),
    [(0.3, False, None), ("oof", True, None), ("oof_per_class", True, None), ("a/b.csv", False, "a/b.csv")],
)
def test_where_thresholds_come_from(thresholds, out_of_fold, file):
    settings = FieldSettings(thresholds=thresholds)
    assert (settings.out_of_fold, settings.threshold_file) == (out_of_fold, file)


def test_one_threshold_counts_for_all_classes():
    assert per_class(0.3, 2) == [0.3, 0.3]
    assert per_class([0.1, 0.2], 2) == [0.1, 0.2]
