"""Rates of an earlier run, from files that are written here as its jobs write them."""

import json

import numpy as np
import pandas as pd
import pytest

from puzzlecell.config.network import NetworkSettings
from puzzlecell.config.segmentation import SegmentationSettings
from puzzlecell.config.simulation import SimulationSettings
from puzzlecell.config.steps import Step1Settings, Step2Settings
from puzzlecell.config.training import TrainingSettings
from puzzlecell.config.view import ViewSettings
from puzzlecell.data.store import write_shard
from puzzlecell.data.tables import write_csv, write_parquet
from puzzlecell.network.cam_network import CamNetwork, save_network
from puzzlecell.planning.measured import measured_run
from puzzlecell.planning.measured_rates import SECONDS
from puzzlecell.planning.work import (
    Stage,
    features_work,
    step1_work,
    step2_work,
    train_cells_work,
    train_head_work,
    train_work,
    unlike_work,
)
from puzzlecell.runtime.job import as_json

SMALL = NetworkSettings(backbone="test_resnet", pretrained=False, output_stride=8)
TRAINING = TrainingSettings(
    network=SMALL, input={"field_size": 64, "crop_size": 32}, batch_size=4, epochs=9, puzzle={"pieces": 0}
)
STAGE = Stage(SMALL, 64, 32, folds=2)
CELLS = pd.DataFrame({"ID": ["a", "a", "b"], "cell": [1, 2, 1]})
START = "20:51:27 puzzlecell.runtime.job: {}; puzzlecell 0.1.0, Python 3.11.7, Linux{}"


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """What a small run leaves, without benchmarks and logs."""
    folder = tmp_path_factory.mktemp("run") / "results"
    sides = {"height": np.array([200, 100]), "width": np.array([100, 100])}
    write_shard(
        folder / "store/test/000.h5", ["a", "b"], {"images": np.zeros((2, 64, 64, 4), np.uint8), **sides}, {}
    )
    labels = {"cells": np.zeros((2, 32, 32), np.uint16), "nuclei": np.zeros((2, 32, 32), np.uint16)}
    write_shard(folder / "masks/test/000.h5", ["a", "b"], {**labels, **sides}, {})
    for fold in (1, 2):
        model = folder / f"models/m/s/fold{fold}/model.safetensors"
        save_network(model, CamNetwork(SMALL, [str(number) for number in range(19)], 64, 32))
        # Stopped early, after two epochs of 12 fields.
        history = {"epoch": [1, 2], "seconds": [2.0, 4.0], "fields_per_s": [6.0, 3.0]}
        write_csv(model.with_name("history.csv"), pd.DataFrame(history))
        write_csv(model.with_name("oof.csv"), pd.DataFrame({"ID": ["a", "b"]}))
    pupil = folder / "models/m/pupil/fold1/model.safetensors"
    network = CamNetwork(SMALL, [str(number) for number in range(19)], 64, 32)
    save_network(pupil, network, {"crops": {"canvas": 96}})
    write_csv(
        pupil.with_name("history.csv"), pd.DataFrame(history).rename(columns={"fields_per_s": "cells_per_s"})
    )
    write_csv(pupil.with_name("oof.csv"), CELLS)
    views = {"view0": np.zeros((2, 3, 4, 4), np.float16)}
    write_shard(folder / "features/test/m.s/all/000.h5", ["a", "b"], views, {})
    write_parquet(folder / "step2/test/m.s/000.parquet", CELLS)
    write_parquet(folder / "unlike/test/000.images.parquet", pd.DataFrame({"ID": ["a", "b"]}))
    write_parquet(folder / "cells/test.parquet", CELLS)
    write_parquet(folder / "cells/holdout.parquet", CELLS.assign(ID="c"))
    facts = {"fields": 2, "cells": 9, "pictures": 7, "field_pictures": 2}
    (folder / "view/data/test/000").mkdir(parents=True)
    (folder / "view/data/test/000/shard.json").write_text(json.dumps(facts))
    write_csv(folder / "submission.csv", pd.DataFrame({"ID": ["a", "b"]}))
    write_csv(folder / "oof/m/s/fold1.images.csv", pd.DataFrame({"ID": ["a", "b"]}))
    write_csv(folder / "oof/m/s/holdout.csv", CELLS)
    write_parquet(folder / "oof/m/s/fold1.step2.parquet", CELLS)
    return folder


@pytest.fixture
def job(results):
    """A function that adds the benchmark and the log of a job; what it wrote is removed afterwards."""
    written = []

    def write(name, seconds, settings=None, *, threads=1, device=None, attempts=1, memory="100"):
        benchmark = results / f"benchmarks/{name}.tsv"
        log = results / f"logs/{name}.log"
        for path in (benchmark, log):
            path.parent.mkdir(parents=True, exist_ok=True)
            written.append(path)
        benchmark.write_text(f"s\th:m:s\tmax_rss\n{seconds}\t0:00:01\t{memory}\n")
        lines = [START.format(name, f"; threads: {threads}" if threads else "")] * attempts
        lines += [f"20:51:27 puzzlecell.runtime.job: settings: {as_json(settings)}"] if settings else []
        lines += [f"20:51:27 puzzlecell.runtime.devices: device: {device}"] if device else []
        log.write_text("\n".join([*lines, "20:51:30 puzzlecell.runtime.job: done in 3 s"]))

    yield write
    for path in written:
        path.unlink(missing_ok=True)


@pytest.mark.parametrize(
    ("name", "settings", "kind", "amount"),
    [
        ("simulate/test", SimulationSettings(fields=5, size=100), "simulate", 0.05),
        ("ingest/test/000", None, "ingest", 0.03),
        ("view_shard/test/000", ViewSettings(tile=50, field_tile=100), "view", 4 * (7 * 0.0025 + 2 * 0.01)),
        ("segment/test/000", SegmentationSettings(method="masks"), "segment (masks)", 2 * 32**2 / 1e6),
        ("train/m/s/fold1", TRAINING, "train (test_resnet)", train_work(TRAINING, 12, 2, epochs=2).amount),
        ("train_head/m/s/fold1", TRAINING, "train_head", train_head_work(TRAINING, 12, 2, epochs=2).amount),
        ("features/test/m.s/all/000", TRAINING, "features (test_resnet)", features_work(TRAINING, 2).amount),
        (
            "train_cells/m/pupil/fold1",
            TRAINING,
            "train_cells (test_resnet)",
            train_cells_work(TRAINING, 96, 12, 3, epochs=2).amount,
        ),
        (
            "step1/test/m.s/000",
            Step1Settings(),
            "step1 (test_resnet)",
            step1_work(STAGE, Step1Settings(), 2, 32).amount,
        ),
        (
            "step2/test/m.s/000",
            Step2Settings(),
            "step2 (test_resnet)",
            step2_work(STAGE, Step2Settings(), 3).amount,
        ),
        (
            "oof/m/s/fold1",
            Step1Settings(),
            "step1 (test_resnet)",
            step1_work(STAGE, Step1Settings(), 2, 32).amount / 2,
        ),
        (
            "oof/m/s/fold1.step2",
            Step2Settings(),
            "step2 (test_resnet)",
            step2_work(STAGE, Step2Settings(), 3).amount / 2,
        ),
        (
            "oof/m/s/holdout",
            Step1Settings(),
            "step1 (test_resnet)",
            step1_work(STAGE, Step1Settings(), 2, 32).amount,
        ),
        (
            "unlike_training/test/000",
            {"model": "m", "stage": "s"},
            "unlike_training (test_resnet)",
            unlike_work(STAGE, 2, 32).amount,
        ),
        ("ensemble/test", None, "ensemble", 3),
        ("score/test", None, "score", 3),
        ("submission", None, "submission", 3),
    ],
)
def test_the_work_of_finished_jobs(results, job, name, *, settings, kind, amount):
    job(name, 1000, settings)
    found = measured_run(results)
    ((key, rate),) = found.rates.items()
    assert key == (kind, "cpu")
    assert rate.amount == pytest.approx(amount)
    assert rate.seconds == pytest.approx(1000, abs=10)
    assert found.unused == 0


@pytest.mark.parametrize(
    ("options", "device", "seconds"),
    [
        ({"threads": 4}, "cpu", 4 * (100 - SECONDS["start train"])),
        ({"threads": 4, "device": "cpu"}, "cpu", 4 * (100 - SECONDS["start train"])),
        ({"threads": 4, "device": "cuda:1"}, "cuda", 100 - SECONDS["start train"]),
        ({"threads": 4, "device": "2 GPUs"}, "cuda", 2 * (100 - SECONDS["start train"])),
    ],
)
def test_time_is_that_of_cores_or_gpus(results, job, options, device, seconds):
    job("train/m/s/fold1", 100, TRAINING, **options)
    assert measured_run(results).rates["train (test_resnet)", device].seconds == pytest.approx(seconds)


def test_jobs_of_a_kind_are_added_and_the_largest_memory_counts(results, job):
    job("train/m/s/fold1", 100, TRAINING, memory="100")
    job("train/m/s/fold2", 50, TRAINING, memory="300")
    job("ensemble/test", 5, memory="-")
    # Seen before it had imported anything.
    job("submission", 0.5, memory="1.3")
    found = measured_run(results)
    rate = found.rates["train (test_resnet)", "cpu"]
    assert rate.seconds == pytest.approx(150 - 2 * SECONDS["start train"])
    assert rate.amount == pytest.approx(2 * train_work(TRAINING, 12, 2, epochs=2).amount)
    assert found.memory_mb == {"train": pytest.approx(300 * 2**20 / 1e6)}


def test_a_job_as_short_as_its_start_still_has_a_rate(results, job):
    job("train/m/s/fold1", 1, TRAINING)
    assert measured_run(results).rates["train (test_resnet)", "cpu"].seconds == pytest.approx(0.1)


def broken_settings(results, job):
    job("train/m/s/fold1", 9, TRAINING)
    log = results / "logs/train/m/s/fold1.log"
    log.write_text(log.read_text().replace(json.dumps(TRAINING.network.backbone), "5"))


@pytest.mark.parametrize(
    ("name", "script"),
    [
        ("view_quality/test", "view_quality"),
        ("embeddings/test/m.s/000", "embed_cells"),
        ("embeddings/test/subcell.cells/000", "embed_read_cells"),
    ],
)
def test_of_some_jobs_only_the_memory_counts(results, job, name, script):
    job(name, 9, memory="300")
    found = measured_run(results)
    assert (found.rates, found.unused) == ({}, 0)
    assert found.memory_mb == {script: 300 * 2**20 / 1e6}


@pytest.mark.parametrize(
    "write",
    [
        lambda results, job: job("train/m/s/fold1", 9, TRAINING, attempts=2),
        lambda results, job: job("train/m/s/fold1", 9, TRAINING, threads=None),
        lambda results, job: job("train/m/s/fold1", "x", TRAINING),
        lambda results, job: job("train/m/s/fold1", "nan", TRAINING),
        lambda results, job: job("train/m/s/fold1", "inf", TRAINING),
        lambda results, job: job("train/m/s/fold7", 9, TRAINING),
        lambda results, job: job("step1/test/gone.s/000", 9, Step1Settings()),
        lambda results, job: job("ingest/gone/000", 9),
        lambda results, job: job("of/another/rule", 9),
        broken_settings,
        lambda results, job: (
            job("ingest/test/000", 9),
            (results / "logs/ingest/test/000.log").unlink(),
        ),
    ],
)
def test_benchmarks_that_cannot_be_used_are_counted(results, job, write):
    write(results, job)
    found = measured_run(results)
    assert (found.rates, found.unused) == ({}, 1)


def test_without_results(tmp_path):
    assert measured_run(tmp_path).rates == {}
