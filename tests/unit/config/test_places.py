"""Files of the configuration that jobs in containers or runs with a bucket cannot reach."""

import pytest
import yaml
from helpers.paths import ROOT

from puzzlecell.config.places import raw_data_here, unsent_files
from puzzlecell.config.workflow import ConfigError, load_configuration


def tiny(change=lambda values: None, **given):
    values = yaml.safe_load((ROOT / "tests/workflow/tiny.yaml").read_text())
    change(values)
    return load_configuration(values, ROOT, **given)


@pytest.mark.parametrize(
    ("key", "path", "problem"),
    [
        ("path", "/data/test", "datasets.test.path: /data/test is on this machine"),
        ("labels", "/data/test.csv", "datasets.test.labels: /data/test.csv is on this machine"),
        ("images", "/data/plate", "datasets.test.images: /data/plate is on this machine"),
        ("path", "data/other", None),
        ("path", "s3://other/data", None),
    ],
)
def test_raw_data_of_a_run_in_a_bucket_are_in_a_bucket(key, path, problem):
    problems = raw_data_here(tiny(lambda values: values["datasets"].update(test={"role": "test", key: path})))
    assert problems == [] if problem is None else problems[0].startswith(problem)


def weights(values):
    values["segmentation"] = {"method": "hpa_dpn"}
    values["models"]["tiny"]["network"]["pretrained"] = "weights/backbone.safetensors"
    values["classes"] = "config/../config/classes.csv"


def test_a_relative_folder_of_cells_does_not_reach_containers():
    composed = tiny(lambda values: values["datasets"]["test"]["simulate"].update(cells_from="data/cells"))
    problems = unsent_files(composed, {"config/classes.csv"})
    assert [problem.split(" is not sent")[0] for problem in problems] == [
        "datasets.test.simulate.cells_from: data/cells"
    ]


def test_relative_weights_and_unknown_class_tables_do_not_reach_containers():
    assert unsent_files(tiny(), {"config/classes.csv"}) == []
    problems = "\n".join(unsent_files(tiny(weights, files=False), {"Snakefile"}))
    assert "run `git add config/../config/classes.csv`" in problems
    assert problems.count("segmentation.hpa_dpn: weights/") == 2
    assert problems.count("models.tiny.network.pretrained: weights/backbone.safetensors is not sent") == 1


def truth(values):
    values["datasets"]["test"] |= {"truth": "data/absent.csv"}
    values["models"]["tiny"]["stages"]["stage2"]["checkpoints"] = "absent{fold}.safetensors"


def test_missing_files_matter_where_they_are_read():
    with pytest.raises(ConfigError) as everything:
        tiny(truth)
    assert "data/absent.csv" in str(everything.value)
    with pytest.raises(ConfigError) as in_bucket:
        tiny(truth, raw_files=False)
    assert "data/absent.csv" not in str(in_bucket.value)
    assert "absent1.safetensors" in str(in_bucket.value)
    tiny(truth, files=False)
