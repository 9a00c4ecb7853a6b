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


@pytest.mark.parametrize("name", ["config.yaml", "hpa2021.yaml"])
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
        ("classes", "config/none.csv", "classes: there is no file config/none.csv"),
        ("negative", "Negativ", "negative: no class 'Negativ'; did you mean Negative?"),
    ],
)
def test_a_mistake_is_reported_with_its_key(values, key, value, expected):
    assert expected in problems(place(values, key, value))


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


def test_a_mistake_in_the_defaults_is_reported_once(values):
    text = problems(place(values, "training.loss.gama", 1))
    assert text.count("gama") == 1


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


def test_nothing_heavy_is_imported_for_planning():
    check = (
        "import sys; import puzzlecell.config.results, puzzlecell.runtime.code_digest, puzzlecell.data.raw_files;"
        "print([name for name in ('torch', 'timm', 'albumentations', 'cv2') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
