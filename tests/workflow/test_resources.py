"""rules/resources.smk: threads, memory and run time of jobs, on one machine, on a cluster and in a cluster's job."""

import re
from types import SimpleNamespace

import pytest
import yaml
from helpers.paths import ROOT

from puzzlecell.config.workflow import load_configuration

IDS = {"train": ["a"] * 1600, "external": [], "holdout": ["b"] * 80, "test": ["c"] * 400}


def resources(*, local=True, remote=False, main=True, cores=16, gpus=1, training_gpus=1):
    """What the file defines, with the full recipe and data sets of the sizes above."""
    settings = load_configuration(yaml.safe_load((ROOT / "config/hpa2021.yaml").read_text()), ROOT)
    training = SimpleNamespace(compute=SimpleNamespace(gpus=training_gpus))
    names = {
        # While the rules are read, Snakemake takes all runs for local ones.
        "workflow": SimpleNamespace(local_exec=True, remote_exec=remote, is_main_process=main),
        "settings": settings,
        "available_cores": lambda: cores,
        "GPUS": gpus,
        "field_ids": IDS.get,
        "training_settings": lambda wildcards: training,
        "held_out_sets": lambda wildcards: ["train", "external"],
    }
    exec((ROOT / "rules/resources.smk").read_text(), names)
    names["workflow"].local_exec = local
    return SimpleNamespace(**names)


SHARD = SimpleNamespace(ds="train", sh="000")


def test_memory_and_run_time_grow_with_the_attempt_and_the_fields():
    given = resources()
    memory, minutes = given.growing(4000), given.minutes(30, 2, given.in_shard)
    assert [memory(SHARD, attempt=attempt) for attempt in (1, 2, 3)] == [4000, 8000, 12000]
    # 1600 fields in 16 shards.
    assert [minutes(SHARD, attempt=attempt) for attempt in (1, 2)] == [230, 460]


def test_run_times_stay_within_two_days():
    given = resources()
    assert given.minutes(2000, 0)(SHARD, attempt=4) == 2880


def test_fields_are_counted_for_the_job():
    given = resources()
    assert given.in_dataset(SHARD) == 1600
    assert given.in_sets("holdout", "test")(SHARD) == 480
    # A table that does not exist yet counts as 20,000 fields.
    assert given.in_fold(SHARD) == (1600 + 20_000) / 4


def test_the_process_of_a_job_counts_no_fields():
    given = resources(main=False)
    assert given.growing(100, 1, given.in_dataset)(SHARD, attempt=2) == 200


@pytest.mark.parametrize(
    ("where", "expected", "four"),
    [
        # Of 16 cores; the four folds of a stage share them.
        ({"local": True}, 4, 4),
        # The login node has two cores, which says nothing about the nodes.
        ({"local": False, "cores": 2}, 8, 4),
        ({"local": False, "cores": 2, "training_gpus": 2}, 16, 4),
        ({"local": False, "cores": 2, "gpus": 0}, 8, 4),
        # In the job, its own cores count.
        ({"local": True, "remote": True, "cores": 8, "main": False}, 8, 4),
        ({"local": True, "remote": True, "cores": 2, "main": False}, 2, 2),
    ],
)
def test_threads(where, expected, four):
    given = resources(**where)
    assert given.training_threads(SHARD) == expected
    assert given.at_most(4)(SHARD) == four


def test_a_training_asks_for_its_gpus():
    assert resources(training_gpus=4).training_gpus(SHARD) == 4
    assert resources(training_gpus=4, gpus=0).training_gpus(SHARD) == 0


def test_the_profile_for_slurm_shows_the_other_option_for_each_rule_that_asks_for_gpus():
    rules = re.findall(
        r"^rule (\w+):\n((?:.*\n)*?)(?=^\S|\Z)",
        "\n".join(path.read_text() for path in (ROOT / "rules").glob("*.smk")),
        re.MULTILINE,
    )
    profile = (ROOT / "profiles/slurm/config.yaml").read_text()
    shown = re.findall(r"^#   (\w+): \{gpu: 0, gres: \"gpu:1\"\}", profile, re.MULTILINE)
    assert sorted(shown) == sorted(
        name for name, body in rules if re.search(r"^        gpu=", body, re.MULTILINE)
    )
    assert "train" in shown
