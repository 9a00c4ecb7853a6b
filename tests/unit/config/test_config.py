import copy
import subprocess
import sys

import pytest
import yaml
from helpers.paths import ROOT

from puzzlecell.config.workflow import ConfigError, load_configuration


@pytest.fixture
def values():
    return yaml.safe_load((ROOT / "config/config.yaml").read_text())


def problems(values):
    with pytest.raises(ConfigError) as caught:
        load_configuration(values, ROOT)
    return str(caught.value)


def place(values, dotted, value):
    """Copy of `values` with the key at `dotted` set."""
    changed = copy.deepcopy(values)
    *path, last = [int(part) if part.isdigit() else part for part in dotted.split(".")]
    inside = changed
    for part in path:
        inside = inside.setdefault(part, {}) if isinstance(inside, dict) else inside[part]
    inside[last] = value
    return changed


@pytest.mark.parametrize("name", ["config.yaml", "hpa2021.yaml", "hpa2021-extended.yaml"])
def test_the_shipped_configurations_are_valid(name):
    load_configuration(yaml.safe_load((ROOT / "config" / name).read_text()), ROOT)


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("treshold", 1, "treshold: unknown key"),
        ("ingest.sise", 1, "ingest.sise: unknown key; did you mean size?"),
        ("training.loss.gama", 1, "training.loss.gama: unknown key; did you mean gamma?"),
        (
            "models.lite0.stages.stage2.training.loss.gama",
            1,
            "models.lite0.stages.stage2.training.loss.gama: unknown key; did you mean gamma?",
        ),
        (
            "models.lite0.network.bakbone",
            "resnet18",
            "models.lite0.network.bakbone: unknown key; did you mean backbone?",
        ),
        (
            "datasets.train.simulate.feilds",
            3,
            "datasets.train.simulate.feilds: unknown key; did you mean fields?",
        ),
        (
            "ensemble.members.0.wieght",
            3,
            "ensemble.members.0.wieght: unknown key; did you mean weight?",
        ),
        ("folds.count", 1, "folds.count: found 1; input should be greater than or equal to 2"),
        ("folds.count", "many", "folds.count: found 'many'"),
        ("datasets.test.role", "tset", "datasets.test.role: found 'tset'"),
        ("datasets.test.role", "holdout", "datasets: none has the role test"),
        (
            "datasets.train.role",
            "holdout",
            "datasets: none has the role train; models.lite0.stages.stage1 needs at least one, or ready weights",
        ),
        (
            "models.lite0.stages.stage1.datasets",
            [],
            "models.lite0.stages.stage1.datasets: none is named; a stage that",
        ),
        ("bundle.licence", "none.txt", "bundle.licence: none.txt: there is no such file"),
        ("models.lite0.stages.stage2.start", "stage9", "no stage 'stage9' in this model"),
        ("models.lite0.stages.stage1.start", "stage2", "start from each other in a circle"),
        ("models.lite0.stages.stage1.datasets", ["trian"], "no data set 'trian'; did you mean train?"),
        ("models.lite0.stages.stage1.datasets", ["holdout"], "holdout has the role holdout"),
        ("models.lite0.stages.stage1.checkpoints", "weights.safetensors", "has no {fold} in it"),
        (
            "models.lite0.stages.stage1.checkpoints",
            "none/{fold}.safetensors",
            "there is no file none/1.safetensors, none/2.safetensors",
        ),
        ("ensemble.members.0.stage", "stage7", "model lite0 has no stage 'stage7', so it is never trained"),
        (
            "ensemble.members.0.model",
            "lite1",
            "no model 'lite1', so it is never trained; did you mean lite0?",
        ),
        ("classes", "config/none.csv", "config/none.csv: there is no such file"),
        ("classes", "config", "config: is a folder, not a file"),
        (
            "models.lite0.stages.stage1.checkpoints",
            "{x}/{fold}.safetensors",
            "stage1.checkpoints: the path {x}/{fold}.safetensors has braces other than those of {fold}",
        ),
        ("models.lite0.stages.stage1.checkpoints", 300 * "x" + "{fold}", "checkpoints: there is no file xxx"),
        ("models.lite0.stages.stage1.checkpoints", "\0{fold}", "checkpoints: there is no file"),
        ("ensemble.preset", ["mpware"], "ensemble.preset: found ['mpware']"),
        ("models.lite0.stages.stage1.checkpoints", "a{fold:0>3d}", "braces other than those of {fold}"),
        ("models.lite0.stages.stage1.checkpoints", "{", "braces other than those of {fold}"),
        ("models.lite0.stages.stage1.checkpoints", "{}{fold}", "braces other than those of {fold}"),
        ("models.lite0.stages.stage1.checkpoints", "{fold}}", "braces other than those of {fold}"),
        ("models.lite0.stages.stage1.checkpoints", "{{fold}}", "braces other than those of {fold}"),
        (
            "models.lite0.stages.stage1.datasets",
            ["train", "train"],
            "models.lite0.stages.stage1.datasets: train is named 2 times",
        ),
        (
            "models.lite0.stages.stage1.start",
            ["stage2"],
            "models.lite0.stages.stage1.start: found ['stage2']",
        ),
        (
            "ensemble.members.1.stage",
            "stage2",
            "ensemble.members.1: the same model, stage and step as ensemble.members.0",
        ),
        (
            "ensemble.class_thresholds",
            {"Nucleus": 0.5},
            "ensemble.class_thresholds: there is no class 'Nucleus'",
        ),
        ("ensemble.class_thresholds", {"0": 0.5}, "ensemble.class_thresholds: there is no class '0'"),
        ("ensemble.class_thresholds", {19: 0.5}, "there is no class 19; indices are 0 to 18"),
        ("ensemble.class_thresholds", {-1: 0.5}, "ensemble.class_thresholds: class_thresholds must map"),
        (
            "ensemble.class_thresholds",
            {0: 0.5, "Nucleoplasm": 0.3},
            "ensemble.class_thresholds: class 0 (Nucleoplasm) is given more than once: 0 and Nucleoplasm",
        ),
        (
            "ensemble.members.1.classes",
            {"Golgi": 0},
            "ensemble.members.1.classes: there is no class 'Golgi'; did you mean Golgi apparatus?",
        ),
        ("variability.thresholds", [0.1], "variability.thresholds: 1 thresholds, but there are 19 classes"),
        ("ensemble.members.1.classes", {3: -1}, "ensemble.members.1.classes"),
        ("ensemble.image_fusion.except_classes", [19], "except_classes: there is no class 19"),
        (
            "ensemble.image_fusion.except_classes",
            ["Negative", 18],
            "class 18 (Negative) is given more than once",
        ),
        ("folds.group", "(", "folds.group: '(' is not a regular expression: missing ), unterminated"),
        ("folds.seed", 2**32, "folds.seed: found 4294967296"),
        (
            "models.lite0.input.field_size",
            288,
            "models.lite0.stages.stage1: input.field_size 288 is more than ingest.size 256",
        ),
        (
            "training.augmentation",
            {"blur": {"p": 2}},
            "  training.augmentation.blur.p: found 2; input should",
        ),
        ("training.augmentation", "ligth", "  training.augmentation: found 'ligth'; input should be"),
        ("training", {1: 2}, "training.1: found 1; keys should be strings"),
        ("negative", "Negativ", "negative: no class 'Negativ'; did you mean Negative?"),
    ],
)
def test_a_mistake_is_reported_with_its_key(values, key, value, expected):
    assert expected in problems(place(values, key, value))


def test_crops_of_cells_fit_the_patches_of_the_network_that_reads_them(values):
    values = place(place(values, "models.lite0.network.output_stride", 14), "step2", {"crop": 192})
    values = place(values, "models.lite0.input", {"field_size": 196, "crop_size": 196})
    expected = (
        "step2.crop: for models.lite0.stages.pupil: 192 is not divisible by 14, the network's output stride"
    )
    assert expected in problems(values)
    load_configuration(place(values, "step2", {"crop": 224}), ROOT)


def test_without_a_negative_class_it_cannot_be_read(values):
    values = place(place(values, "negative", None), "ensemble.negative", "mean")
    text = problems(place(values, "ensemble.suppress_by_negative", 1))
    assert "ensemble.negative is mean, but the configuration names no negative class" in text
    assert "ensemble.suppress_by_negative is 1.0, but the configuration names no negative class" in text


def test_all_mistakes_come_in_one_message(values):
    for key, value in [
        ("ingest.sise", 1),
        ("folds.count", 1),
        ("models.lite0.stages.stage2.start", "stage9"),
        ("models.lite0.stages.stage2.training", {"loss": {"gama": 1}}),
        ("ensemble.members.0.stage", "stage7"),
    ]:
        values = place(values, key, value)
    text = problems(values)
    for expected in ("ingest.sise", "folds.count", "'stage9'", "loss.gama", "'stage7'"):
        assert expected in text


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("training.loss.gama", 1),
        ("training.augmentation", {"blur": {"p": 2}}),
        ("training.augmentation", "ligth"),
        ("training", {1: 2}),
    ],
)
def test_a_mistake_in_the_defaults_is_reported_once(values, key, value):
    _, *lines = problems(place(values, key, value)).splitlines()
    assert len(lines) == 1


def test_ready_weights_may_be_smaller_than_the_store(values, tmp_path):
    """Only stages to be trained have to fit the store; the weights of the others say what they need."""
    (tmp_path / "1.safetensors").touch()
    (tmp_path / "2.safetensors").touch()
    values["models"]["ready"] = {
        "input": {"field_size": 512},
        "stages": {"only": {"datasets": ["train"], "checkpoints": f"{tmp_path}/{{fold}}.safetensors"}},
    }
    load_configuration(values, ROOT)


def test_where_nothing_is_trained_nothing_of_it_is_asked_for(values, tmp_path):
    for fold in (1, 2):
        (tmp_path / f"{fold}.safetensors").touch()
    names = ("stage2", "stage3", "pupil")
    stages = {name: {"checkpoints": f"{tmp_path}/{{fold}}.safetensors"} for name in names}
    ready = {key: values[key] for key in ("classes", "ensemble", "ingest")}
    ready |= {"datasets": {"mine": {"role": "test"}}, "folds": {"count": 2}}
    ready["models"] = {"lite0": {"stages": stages}}
    settings = load_configuration(ready, ROOT)
    assert settings.trained_stages() == settings.training_sets() == []
    # One stage to be trained is enough to need a training set.
    del stages["stage2"]["checkpoints"]
    text = problems(ready)
    assert "datasets: none has the role train; models.lite0.stages.stage2 needs" in text
    assert "models.lite0.stages.stage2.datasets: none is named" in text


def test_all_problems_of_the_class_table_are_shown(values, tmp_path):
    (tmp_path / "classes.csv").write_text("index,name\n0,a\n2,a\n")
    values = place(values, "classes", str(tmp_path / "classes.csv"))
    text = problems(values)
    assert f"  classes: {tmp_path}/classes.csv: line 3: index '2'; expected 1" in text
    assert f"  classes: {tmp_path}/classes.csv: line 3: the name 'a' is also in line 2" in text


def test_stages_to_be_trained_are_those_of_the_ensemble_and_what_they_start_from(values, tmp_path):
    values["ensemble"]["members"] = [{"model": "lite0", "stage": "stage2", "step": 1}]
    trained = load_configuration(values, ROOT).trained_stages()
    assert trained == [("lite0", "stage2"), ("lite0", "stage1")]
    for fold in (1, 2):
        (tmp_path / f"{fold}.safetensors").touch()
    ready = place(values, "models.lite0.stages.stage1.checkpoints", f"{tmp_path}/{{fold}}.safetensors")
    assert load_configuration(ready, ROOT).trained_stages() == [("lite0", "stage2")]


def test_numbers_that_yaml_reads_as_text_are_accepted(values):
    changed = place(values, "training.optimiser.learning_rate", yaml.safe_load("1e-3"))
    assert isinstance(changed["training"]["optimiser"]["learning_rate"], str)
    settings = load_configuration(changed, ROOT)
    assert settings.stage_training("lite0", "stage1").optimiser.learning_rate == 0.001


def test_model_and_stage_settings_override_the_defaults(values):
    values = place(values, "training.loss", {"alpha": 0.9, "gamma": 0.1})
    values = place(values, "models.lite0.training", {"loss": {"gamma": 0.2, "beta": 0.8}})
    values = place(values, "models.lite0.stages.stage2.training", {"loss": {"gamma": 0.3}})
    loss = load_configuration(values, ROOT).stage_training("lite0", "stage2").loss
    assert (loss.alpha, loss.beta, loss.gamma) == (0.9, 0.8, 0.3)


def test_nothing_heavy_is_imported_for_planning(tmp_path):
    check = (
        "import sys; import puzzlecell.config.results, puzzlecell.runtime.code_digest;"
        "from puzzlecell.data.source_states import RawDataset, shard_digest;"
        "shard_digest(RawDataset('images', sys.argv[1], False), 0, 1);"
        "heavy = 'torch', 'timm', 'albumentations', 'cv2', 'pandas', 'numpy', 'pyarrow';"
        "print([name for name in heavy if name in sys.modules])"
    )
    table = tmp_path / "labels.csv"
    table.write_text("ID\nx\n")
    done = subprocess.run([sys.executable, "-c", check, table], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("key", ["[", "str", "function-x"])
def test_an_unknown_key_that_looks_like_a_mark_of_pydantic_is_named(values, key):
    for text in (problems({**values, key: 1}), problems({**values, "training": {key: 1}})):
        assert f"{key}: unknown key" in text


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"file": "old/calibration.csv"}, "calibration.file: old/calibration.csv: there is no such file"),
        ({"file": "config"}, "calibration.file: config: "),
        ({"file": 5}, "calibration.file"),
        ({"calls": {"by": "recall"}}, "calibration.calls.by"),
        ({"calls": {"precision": 0}}, "calibration.calls.precision"),
    ],
)
def test_a_calibration_must_exist_and_be_possible(values, given, expected):
    assert expected in problems({**values, "calibration": given})


@pytest.mark.parametrize(("name", "file"), [("a|b", "this_run"), ("uncertain", "this_run"), ("a|b", None)])
def test_calls_need_names_that_can_be_told_apart(values, tmp_path, name, file):
    (tmp_path / "classes.csv").write_text(f"index,name\n0,{name}\n1,Negative\n")
    given = {**values, "classes": str(tmp_path / "classes.csv"), "calibration": {"file": file}}
    if file is None:
        assert load_configuration(given, ROOT).calibration.file is None
    else:
        assert f"calibration: the class '{name}' cannot be called" in problems(given)


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        ("weights/look.safetensors", "unlike_training.look: weights/look.safetensors: there is no such file"),
        ("config", "unlike_training.look: config: "),
        (5, "unlike_training.look"),
    ],
)
def test_the_look_of_the_training_fields_must_exist(values, look, expected):
    assert expected in problems(place(values, "unlike_training.look", look))


@pytest.mark.parametrize("look", [None, "this_run", "config/classes.csv"])
def test_a_look_of_this_run_or_of_a_file(values, look):
    assert load_configuration(place(values, "unlike_training.look", look), ROOT).unlike_training.look == look
