"""What results depend on: rule parameters and the fingerprint of a training checkpoint come from here."""

import pytest
import yaml
from helpers.paths import ROOT

from puzzlecell.config import results
from puzzlecell.config.datasets import DatasetSettings
from puzzlecell.config.training import merged
from puzzlecell.config.workflow import load_configuration


@pytest.fixture(autouse=True)
def in_the_project(monkeypatch):
    """Paths of the configuration start at the project's folder."""
    monkeypatch.chdir(ROOT)


def configuration(changes=None):
    settings = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    return load_configuration(merged(settings, changes or {}), ROOT)


def training(changes=None):
    return results.training(configuration(changes), "lite0", "stage2")


@pytest.mark.parametrize(
    "changes",
    [
        {"gpu": "cpu"},
        {"seed": 1},
        {"training": {"compute": {"workers": 3, "keep_memory": False}}},
        {"training": {"save_minutes": None, "tensorboard": True, "validation_batch_size": 2}},
        {"models": {"lite0": {"stages": {"stage3": {"training": {"epochs": 9}}}}}},
    ],
)
def test_settings_that_decide_nothing_are_left_out(changes):
    assert training(changes) == training()


@pytest.mark.parametrize(
    ("changes", "key", "value"),
    [
        ({"training": {"compute": {"precision": "bf16"}}}, "training.compute.precision", '"bf16"'),
        ({"training": {"batch_size": 8}}, "training.batch_size", "8"),
        ({"models": {"lite0": {"seed": 3}}}, "training.seed", "3"),
        ({"models": {"lite0": {"stages": {"stage2": {"start": None}}}}}, "start", "null"),
        ({"training": {"ema": {"decay": 0.9}}}, "training.ema.decay", "0.9"),
    ],
)
def test_a_setting_that_decides_the_weights_is_named_with_its_value(changes, key, value):
    changed = training(changes)
    assert changed[key] == value
    assert changed != training()


@pytest.mark.parametrize(
    ("given", "keys"),
    [
        ({"naming": "{ID}_{channel}.png"}, set()),
        ({"images": "plate7"}, set()),
        ({"channels": {"red": "red"}}, set()),
        ({"naming": "{ID}_{channel}.tif"}, {"naming", "ID", "channels"}),
        ({"channels": {"yellow": {"same_as": "red"}}}, {"naming", "ID", "channels"}),
    ],
)
def test_a_stored_shard_depends_on_names_that_are_not_the_default(given, keys):
    settings = configuration()
    own = DatasetSettings(role="test", **given)
    settings = settings.model_copy(update={"datasets": {**settings.datasets, "own": own}})
    assert set(results.store(settings, "own")) - set(results.store(settings, "test")) == keys


def test_label_images_depend_on_the_chosen_segmenter_and_what_it_reads():
    chosen = results.segmentation(configuration({"segmentation": {"method": "hpa_dpn"}}), "test")
    assert {"segmentation.hpa_dpn.label_at", "segmentation.labelling.otsu_factor", "pixel_size_um"} <= set(
        chosen
    )
    assert not any(key.startswith(("segmentation.classical", "segmentation.cellpose")) for key in chosen)
    assert "segmentation.hpa_dpn.batch" not in chosen


def test_the_negative_class_counts_with_its_index(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = []
    for names in (["a", "Negative"], ["Negative", "a"]):
        rows = "".join(f"{index},{name}\n" for index, name in enumerate(names))
        (tmp_path / "classes.csv").write_text(f"index,name\n{rows}")
        settings = configuration().model_copy(update={"classes": "classes.csv"})
        found.append(results.steps(settings, "step1")["negative"])
    assert found == ['"Negative is class 1"', '"Negative is class 0"']


def test_members_are_named_one_by_one():
    found = results.ensemble(configuration())
    assert found["ensemble.members.2.step"] == "2"
    assert found["ensemble.members.2.weight"] == "1.0"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"unlike_training": {"look": "this_run"}}, {}),
        ({"unlike_training": {"level": 0.9}}, {"unlike_training.level": "0.9"}),
        ({"unlike_training": {"max_fields": 50}}, {"unlike_training.max_fields": "50"}),
        ({"folds": {"group": None}}, {"folds.group": "null"}),
    ],
)
def test_the_look_of_the_training_fields_depends_on_how_it_is_measured(changes, expected):
    changed, plain = (results.training_look(configuration(found)) for found in (changes, {}))
    assert {key: text for key, text in changed.items() if plain[key] != text} == expected
    assert changed.keys() == plain.keys()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"calibration": {"file": "this_run"}}, set()),
        ({"calibration": {"calls": {"precision": 0.8}}}, {"calibration.calls.precision"}),
        ({"calibration": {"isotonic_from": None}}, {"calibration.isotonic_from"}),
        ({"score": {"iou_threshold": 0.5}}, {"score.iou_threshold"}),
        ({"score": {"detections": "present"}}, set()),
        ({"folds": {"group": None}}, {"folds.group"}),
    ],
)
def test_a_calibration_depends_on_how_it_is_fitted_and_measured(changes, expected):
    changed, plain = (results.calibration(configuration(found)) for found in (changes, {}))
    assert {key for key, text in changed.items() if plain[key] != text} == expected


@pytest.mark.parametrize(
    ("result", "changes", "decided"),
    [
        ("ensemble", {"ensemble": {"suppress_by_negative": 1}}, {"ensemble.suppress_by_negative"}),
        ("variability", {"variability": {"thresholds": 0.3}}, {"variability.thresholds"}),
        ("variability", {"score": {"iou_threshold": 0.5}}, {"score.iou_threshold"}),
        ("variability", {"score": {"bootstrap": 5}}, set()),
        ("variability", {"member_choice": {"least_gain": 0}}, set()),
        ("member_choice", {"member_choice": {"least_gain": 0}}, {"member_choice.least_gain"}),
        ("member_choice", {"score": {"bootstrap": 5}}, {"score.bootstrap"}),
        ("member_choice", {"ensemble": {"negative": "mean"}}, {"ensemble.negative"}),
        ("member_choice", {"variability": {"thresholds": 0.3}}, set()),
        ("cams", {"cams": {"classes": ["Cytosol"], "fields": {"test": ["a"]}}}, {"cams.classes"}),
        ("cams", {"step1": {"average": "scores"}}, {"step1.average"}),
        ("cams", {"step2": {"margin": 0.1}}, set()),
        ("cams", {"ensemble": {"suppress_by_negative": 1}}, {"ensemble.suppress_by_negative"}),
    ],
)
def test_what_is_made_on_request_depends_on_its_own_settings(result, changes, decided):
    changed, plain = (getattr(results, result)(configuration(found)) for found in (changes, {}))
    assert {key for key, text in changed.items() if plain[key] != text} == decided


def test_what_labels_mean_decides_folds_and_weights():
    changed = {"labels": {"without_class": "leave_out"}}
    assert training(changed)["labels.without_class"] == '"leave_out"'
    assert results.folds(configuration(changed)) != results.folds(configuration())


def test_what_is_downloaded_depends_on_the_source_and_not_on_the_connections():
    def decided(**download):
        given = {"fields": "a.csv", **download}
        sets = {"datasets": {"more": {"role": "additional", "download": given}}}
        return results.download(configuration(sets), "more")

    assert decided(connections=1, attempts=2, wait_s=0.5, timeout_s=3) == decided()
    assert decided(url="http://host/{ID}_{channel}.png") != decided()
    assert results.download(configuration(), "train") == {}
