"""What `puzzlecell predict` finds, assumes, writes and says before it runs the workflow."""

import re
from dataclasses import replace

import numpy as np
import pytest
import yaml
from helpers.bundles import ready_values, write_bundle, write_run
from helpers.inference_data import SIZE
from helpers.own_images import prepared, write_images

from puzzlecell.bundle.export import export_bundle
from puzzlecell.bundle.images import shards_for
from puzzlecell.bundle.manifest import parsed
from puzzlecell.bundle.settings import implied_configuration
from puzzlecell.bundle.written_configuration import Edited
from puzzlecell.config.workflow import load_configuration
from puzzlecell.data.raw_files import CHANNELS
from puzzlecell.errors import UserError


def test_the_implied_configuration_is_the_bundles_and_needs_no_training(tmp_path, bundle):
    prediction = prepared(tmp_path, bundle)
    values = yaml.safe_load(prediction.configuration.read_text())
    settings = load_configuration(values, tmp_path / "out")
    assert settings.trained_stages() == settings.training_sets() == []
    assert settings.datasets_of("test") == list(settings.datasets) == ["images"]
    assert settings.datasets["images"].pixel_size_um == 0.5
    made, _ = write_run(tmp_path)
    for section in ("ingest", "segmentation", "step1", "step2", "ensemble", "submission", "plausibility"):
        assert getattr(settings, section) == getattr(made, section)
    assert settings.datasets["images"].images == str(tmp_path / "mine")
    shown = "\n".join(prediction.found)
    for expected in (
        "2 fields in ",
        "192 x 192 pixels, 8-bit",
        "0.5 um, assumed: that of the training fields",
        "shapes: 4 classes; m s, 2 folds each",
        "config.yaml, new",
    ):
        assert expected in shown
    assert prediction.warnings == []


@pytest.mark.parametrize(
    ("change", "section"),
    [
        ({"ensemble": {"class_thresholds": {"b": 0.3, 3: 0.2}}}, "ensemble"),
        ({"ensemble": {"preset": "crodoc"}}, "ensemble"),
        ({"ensemble": {"image_fusion": {"except_classes": [1]}}}, "ensemble"),
        ({"ensemble": {"image_fusion": {"class_weights": {1: 0.2, "a": 1}}}}, "ensemble"),
        (
            {
                "ensemble": {
                    "members": [
                        {"model": "m", "stage": "s", "step": 1, "classes": {"b": 0}},
                        {"model": "m", "stage": "s", "step": 2, "classes": {0: 2}},
                    ]
                }
            },
            "ensemble",
        ),
        ({"segmentation": {"method": "cellpose", "size": 64, "cellpose": {"model": "x"}}}, "segmentation"),
        ({"step2": {"source": "raw", "tta": {"flip": True}}}, "step2"),
        ({"step1": {"quantile": 0.9, "average": "scores"}}, "step1"),
        ({"negative": None}, "negative"),
        ({"fields": {"source": "both", "fill": "a", "cells": {"combine": "max"}}}, "fields"),
        ({"labels": {"without_class": "leave_out"}}, "labels"),
        ({"ingest": {"intensity": {"rule": "depth", "bits": [12, 12, 16, 8]}}}, "ingest"),
        ({"unlike_training": {"level": 0.9}}, "unlike_training"),
        ({"plausibility": {"max_implausible": 1}}, "plausibility"),
        ({"calibration": {"least_cells": 5, "calls": {"by": "precision"}}}, "calibration"),
    ],
)
def test_settings_come_back_from_a_bundle_as_they_were(tmp_path, change, section):
    values = ready_values(tmp_path)
    for key, value in change.items():
        change[key] = {**values.get(key, {}), **value} if isinstance(value, dict) else value
    write_bundle(tmp_path, tmp_path / "bundle", **change)
    manifest = parsed("manifest", (tmp_path / "bundle/manifest.json").read_bytes())
    datasets = {"images": {"role": "test"}}
    found = implied_configuration(manifest, str(tmp_path / "bundle"), datasets)
    settings = load_configuration(yaml.safe_load(yaml.safe_dump(found)))
    made, _ = write_run(tmp_path, **change)
    if section == "segmentation":
        assert settings.segmentation.chosen == made.segmentation.chosen
    assert getattr(settings, section) == getattr(made, section)


def test_a_calibration_comes_with_the_bundle_and_is_applied(tmp_path):
    settings, files = write_run(tmp_path, calibration={"file": "this_run"})
    (tmp_path / "calibration.csv").write_text("class,method\n")
    carried = replace(files, carried={"calibration.csv": tmp_path / "calibration.csv"})
    manifest = export_bundle(tmp_path / "bundle", settings, carried)
    found = implied_configuration(manifest, "model", {"images": {"role": "test"}})
    assert found["calibration"]["file"] == "model/calibration.csv"
    assert (tmp_path / "bundle/calibration.csv").is_file()
    assert "calibrated probabilities and calls" in (tmp_path / "bundle/README.md").read_text()
    without = export_bundle(tmp_path / "plain", settings, files)
    assert "file" not in implied_configuration(without, "model", {"images": {"role": "test"}})["calibration"]


def test_the_intensity_rule_of_the_model_is_used_to_compare(tmp_path):
    """12-bit images in 16-bit files look dark by the reference rule, but not by percentiles."""
    rule = {"rule": "percentiles", "low": 0, "high": 100}
    write_bundle(tmp_path, tmp_path / "bundle", ingest={"size": SIZE, "intensity": rule})
    folder = write_images(tmp_path / "mine", dtype=np.uint16, high=4096)
    assert "| intensity rule | percentiles |" in (tmp_path / "bundle/README.md").read_text()
    assert prepared(tmp_path, tmp_path / "bundle", folder).warnings == []
    depth = {"rule": "depth", "bits": 8}
    write_bundle(tmp_path, tmp_path / "bundle", ingest={"size": SIZE, "intensity": depth})
    found = prepared(tmp_path, tmp_path / "bundle", folder).warnings
    assert "intensity: 16-bit images; the training fields had 8-bit. The model scales all" in found[0]
    assert "above the 255 of ingest.intensity.bits" in found[1]


def test_own_label_images_are_not_asked_of_others(tmp_path):
    write_bundle(tmp_path, tmp_path / "bundle", segmentation={"method": "masks"})
    with pytest.raises(UserError, match="add --segmenter classical"):
        prepared(tmp_path, tmp_path / "bundle")
    prediction = prepared(tmp_path, tmp_path / "bundle", segmenter="classical")
    assert yaml.safe_load(prediction.configuration.read_text())["segmentation"]["method"] == "classical"


@pytest.mark.parametrize(
    ("images", "pixel_size", "expected"),
    [
        ({}, 0.5, []),
        (
            {},
            1.2,
            [
                "scale: the networks see cells 2.4 times smaller than in training. A stored pixel is 2.4 um here"
            ],
        ),
        ({}, 0.25, ["scale: the networks see cells 2.0 times as large than in training"]),
        # Half the pixels of twice the size: the same field.
        ({"size": (96, 96)}, 1.0, []),
        ({"size": (96, 192)}, 0.7, ["shape: fields of 192 x 96 pixels are squeezed"]),
        (
            {"dtype": np.uint16, "high": 50000},
            0.5,
            ["intensity: 16-bit images; the training fields had 8-bit"],
        ),
        (
            {"dtype": np.uint16, "high": 4096},
            0.5,
            [
                "intensity: 16-bit",
                *[f"intensity of {channel}: 11.8 times darker than in training" for channel in CHANNELS],
            ],
        ),
        ({"dark": ("yellow",)}, 0.5, ["channel yellow: black in all sampled fields"]),
    ],
)
def test_differences_from_the_training_fields_are_said(tmp_path, bundle, images, pixel_size, expected):
    folder = write_images(tmp_path / "mine", **images)
    found = prepared(tmp_path, bundle, folder, pixel_size_um=pixel_size).warnings
    assert len(found) == len(expected)
    for text, start in zip(found, expected, strict=True):
        assert re.sub(r"\d+\.\d times darker", "11.8 times darker", text).startswith(start)


def test_a_configuration_changed_by_hand_is_not_replaced_silently(tmp_path, bundle):
    path = prepared(tmp_path, bundle).configuration
    assert prepared(tmp_path, bundle).found[-1].endswith("config.yaml, unchanged")
    changed = prepared(tmp_path, bundle, pixel_size_um=0.4)
    assert changed.found[-1].endswith("config.yaml, changed: datasets.images.pixel_size_um 0.5 -> 0.4")
    mine = path.read_text().replace("pixel_size_um: 0.4", "pixel_size_um: 0.3")
    path.write_text(mine)
    with pytest.raises(UserError, match="was changed by hand. Add --edited keep"):
        prepared(tmp_path, bundle)
    assert prepared(tmp_path, bundle, edited=Edited.KEEP).found[-1].endswith("kept as it was changed by hand")
    assert path.read_text() == mine
    assert "replaced" in prepared(tmp_path, bundle, edited=Edited.REPLACE).found[-1]
    assert prepared(tmp_path, bundle).found[-1].endswith("unchanged")


def test_more_images_do_not_change_the_number_of_shards(tmp_path, bundle):
    folder = write_images(tmp_path / "mine", [f"w{number}" for number in range(20)])
    path = prepared(tmp_path, bundle, folder).configuration
    assert yaml.safe_load(path.read_text())["datasets"]["images"]["shards"] == 2
    before = path.read_bytes()
    write_images(folder, ["x"])
    prepared(tmp_path, bundle, folder)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("fields", "shards"), [(1, 1), (10, 1), (40, 4), (1000, 16), (10_000, 100), (200_000, 1000)]
)
def test_shards_give_cores_work_without_becoming_many(fields, shards):
    assert shards_for(fields) == shards
