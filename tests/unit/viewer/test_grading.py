"""What the page to grade knows of a run."""

import pytest
import yaml
from helpers.paths import ROOT

from puzzlecell.config.training import merged
from puzzlecell.config.workflow import load_configuration
from puzzlecell.viewer.grading import grading

OWN = {"datasets": {"test": {"simulate": None, "path": "raw/plate", "shards": 2}}}


def found(monkeypatch, *changes, classes=("a", "b")):
    monkeypatch.chdir(ROOT)
    values = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    for change in changes:
        values = merged(values, change)
    return grading(load_configuration(values, ROOT, files=False), list(classes))


def test_what_the_page_is_told(monkeypatch):
    told = found(monkeypatch, OWN)
    assert told["mask_size"] == 256
    assert told["tables"]["test"] == "raw/plate/cell_labels.csv"
    # Grades of simulated sets have to be named.
    assert told["tables"]["holdout"] is None
    assert found(monkeypatch, {"datasets": {"test": {"cell_labels": "g.csv"}}})["tables"]["test"] == "g.csv"
    assert found(monkeypatch, {"segmentation": {"size": 128}})["mask_size"] == 128


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"segmentation": {"size": 128}}, True),
        ({"seed": 7}, True),
        ({"datasets": {"test": {"simulate": {"fields": 200}}}}, True),
        (OWN, False),
    ],
)
def test_grades_are_kept_until_classes_or_data_sets_change(monkeypatch, change, same):
    before = found(monkeypatch)["identity"]
    assert (found(monkeypatch, change)["identity"] == before) is same
    assert found(monkeypatch, classes=["b", "a"])["identity"] != before
