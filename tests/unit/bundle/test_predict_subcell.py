"""`puzzlecell predict --subcell`: SubCell beside the networks of a bundle."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import yaml
from helpers.bundles import write_bundle, write_run
from helpers.subcell_data import write_checkpoints

from puzzlecell.bundle.export import export_bundle
from puzzlecell.bundle.prediction import NOT_CALIBRATED, prepare_prediction
from puzzlecell.bundle.with_subcell import with_subcell
from puzzlecell.cli.own_images import own_images
from puzzlecell.config.class_table import read_classes
from puzzlecell.config.workflow import load_configuration
from puzzlecell.data.raw_files import CHANNELS
from puzzlecell.errors import UserError
from puzzlecell.network.convert_subcell import convert_subcell


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    encoder, heads = write_checkpoints(folder)
    convert_subcell(encoder, heads, folder / "subcell.safetensors")
    return folder / "subcell.safetensors"


@pytest.fixture
def prepared(tmp_path):
    """Prepare the prediction of one field with the bundle in `tmp_path/bundle`."""
    (tmp_path / "mine").mkdir()
    pixels = np.random.default_rng(0).integers(0, 200, (192, 192)).astype(np.uint8)
    for channel in CHANNELS:
        cv2.imwrite(str(tmp_path / f"mine/w1_{channel}.png"), pixels)

    def prepare(**options):
        images = own_images(tmp_path / "mine", tmp_path / "out", naming=None, id_form=None, channels=None)
        return prepare_prediction(images, tmp_path / "bundle", tmp_path / "out", **options)

    return prepare


def configured(prediction, output):
    return load_configuration(yaml.safe_load(prediction.configuration.read_text()), output)


def test_subcell_weighs_as_much_as_all_others_together(tmp_path, prepared, weights):
    members = [
        {"model": "m", "stage": "s", "step": 1, "weight": 2.0},
        {"model": "m", "stage": "s", "step": 2},
    ]
    write_bundle(tmp_path, tmp_path / "bundle", ensemble={"members": members})
    prediction = prepared(subcell=weights)
    settings = configured(prediction, tmp_path / "out")
    assert [(member.model, member.stage, member.weight) for member in settings.ensemble.members] == [
        ("m", "s", 2),
        ("m", "s", 1),
        ("subcell", "cells", 3),
    ]
    assert settings.models["subcell"].cells.weights == str(weights)
    assert settings.trained_stages() == []
    assert prediction.warnings == []
    assert any("and SubCell of" in line for line in prediction.found)
    # An edited table of locations stays.
    (tmp_path / "out/subcell_locations.csv").write_text("location,class\n")
    again = prepared(subcell=weights)
    assert (tmp_path / "out/subcell_locations.csv").read_text() == "location,class\n"
    assert any("config.yaml, unchanged" in line for line in again.found)
    # Without the option, the ensemble is that of the bundle again.
    plain = prepared()
    assert list(configured(plain, tmp_path / "out").models) == ["m"]


def test_it_does_so_in_each_class(tmp_path, prepared, weights):
    members = [
        {"model": "m", "stage": "s", "step": 1, "weight": 3.0, "classes": {0: 0.5}},
        {"model": "m", "stage": "s", "step": 2, "classes": {0: 0, 1: 4}},
    ]
    # Members of step 1 have no say in the negative class, here the last one.
    write_bundle(tmp_path, tmp_path / "bundle", ensemble={"members": members, "negative": "step2"})
    *_, added = configured(prepared(subcell=weights), tmp_path / "out").ensemble.members
    assert added.weight == 4
    names = read_classes(tmp_path / "bundle/classes.csv")
    assert added.classes == {0: 0.5, 1: 7, names.index("Negative"): 1}


def test_a_calibration_of_the_ensemble_without_subcell_is_not_applied(tmp_path, prepared, weights):
    settings, files = write_run(tmp_path, calibration={"file": "this_run"})
    (tmp_path / "calibration.csv").write_text("class,method\n")
    carried = replace(files, carried={"calibration.csv": tmp_path / "calibration.csv"})
    export_bundle(tmp_path / "bundle", settings, carried)
    prediction = prepared(subcell=weights)
    assert prediction.warnings == [NOT_CALIBRATED]
    assert configured(prediction, tmp_path / "out").calibration.file is None


def test_a_model_of_the_same_name_is_not_replaced(weights):
    with pytest.raises(UserError, match="the bundle has a model named subcell of its own"):
        with_subcell({"models": {"subcell": {}}, "ensemble": {"members": []}}, weights)
