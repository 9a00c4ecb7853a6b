from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.subcell_data import write_checkpoints

from puzzlecell.config.readers import SubCellSettings
from puzzlecell.config.workflow import load_configuration
from puzzlecell.data.store import write_shard
from puzzlecell.data.tables import write_csv, write_parquet
from puzzlecell.network.convert_subcell import convert_subcell
from puzzlecell.planning.disk import disk_use
from puzzlecell.planning.job_work import JobWork
from puzzlecell.planning.measured_rates import BYTES
from puzzlecell.planning.network_cost import network_cost
from puzzlecell.planning.sizes import Stated, dataset_sizes
from puzzlecell.runtime.planned_jobs import PlannedJob

FEATURES = 48
"""Of the network `test_resnet`."""


@pytest.fixture
def work(tmp_path, monkeypatch):
    """Two shards of 10 fields with 3 cells each, stored at 64 pixels; two folds."""
    monkeypatch.chdir(tmp_path)
    Path("classes.csv").write_text("index,name\n0,a\n1,Negative\n")
    network = {"backbone": "test_resnet", "pretrained": False, "output_stride": 8}
    settings = load_configuration(
        {
            "classes": "classes.csv",
            "datasets": {"train": {"role": "train"}, "test": {"role": "test", "shards": 2}},
            "ingest": {"size": 64},
            "folds": {"count": 2},
            "segmentation": {"size": 32},
            "models": {
                "m": {
                    "network": network,
                    "input": {"field_size": 64, "crop_size": 32},
                    "stages": {"s": {"datasets": ["train"], "training": {"ema": {"decay": 0.9}}}},
                }
            },
            "ensemble": {"members": [{"model": "m", "stage": "s", "step": 1}]},
        }
    )
    return JobWork(settings, dataset_sizes(settings, Stated({"train": 30, "test": 20}, cells=3)))


def job(script, **wildcards):
    return PlannedJob(script, script, wildcards, 1, 0, None, needed=True, after=())


def weight_bytes(work):
    return network_cost(work.stage("m", "s", 1).key, 64).weight_bytes


@pytest.mark.parametrize(
    ("planned", "folder", "expected"),
    [
        (job("ingest", ds="test", sh="000"), "store", 10 * 64**2 * BYTES["store"]),
        (
            job("segment", ds="test", sh="001"),
            "masks",
            10 * 32**2 * BYTES["masks"] + 30 * BYTES["cell table"] + BYTES["overlay"],
        ),
        (job("step1", ds="test", model="m", stage="s", sh="000"), "step1", 30 * BYTES["step table"]),
        (job("oof_fold", model="m", stage="s", fold="1"), "oof", 45 * BYTES["oof table"]),
        (job("oof_step2", model="m", stage="s", fold="1"), "oof", 45 * BYTES["step table"]),
        (job("oof_cells", ds="train"), "oof", 90 * BYTES["answer"]),
        (job("unlike_training", ds="test", sh="000"), "unlike", 30 * BYTES["unlike table"]),
        # The network's features, two bytes each.
        (job("embed_cells", ds="test", model="m", stage="s", sh="000"), "embeddings", 30 * 2 * FEATURES),
        (job("take_table", ds="test", model="m", sh="000"), "step2", 30 * BYTES["step table"]),
        (job("ensemble", ds="test"), "cells", 60 * BYTES["answer"]),
        (job("export_h5ad", ds="test"), "export", 60 * BYTES["export_h5ad"]),
        (job("export_csv", ds="test"), "export", 60 * BYTES["export_csv"]),
        (job("submission"), "submission.csv", 60 * BYTES["submission"]),
    ],
)
def test_bytes_by_hand(work, planned, folder, expected):
    found = disk_use([planned, planned, job(None)], work)
    assert found.folders == {folder: pytest.approx(2 * expected)}
    assert (found.training, found.measured) == (0, frozenset())


def test_maps_take_the_networks_that_step_1_takes(work):
    shard = {"ds": "test", "sh": "000"}
    assert work(job("cams", **shard)) == work(job("step1", model="m", stage="s", **shard))


def test_embeddings_take_one_network_and_one_view(work):
    shard = {"ds": "test", "sh": "000", "model": "m", "stage": "s"}
    (one,), (both,) = work(job("embed_cells", **shard)), work(job("step1", **shard))
    assert one.gflop == pytest.approx(both.gflop / 2)


def test_embeddings_of_a_reader_take_what_its_reading_takes(work, tmp_path):
    encoder, heads = write_checkpoints(tmp_path / "published")
    convert_subcell(encoder, heads, tmp_path / "subcell.safetensors")
    cells = SubCellSettings(kind="subcell", weights=str(tmp_path / "subcell.safetensors"))
    reader = work.settings.models["m"].model_copy(update={"stages": {}, "cells": cells})
    settings = work.settings.model_copy(update={"models": {**work.settings.models, "subcell": reader}})
    reading = JobWork(settings, work.sizes)
    shard = {"ds": "test", "sh": "000", "model": "subcell"}
    (one,), (both,) = reading(job("embed_read_cells", **shard)), reading(job("read_cells", **shard))
    assert one == both
    assert one.gflop > 0


def test_a_training_keeps_a_state_while_it_runs(work):
    found = disk_use([job("train", model="m", stage="s", fold="1")], work)
    assert found.folders == {"models": weight_bytes(work)}
    # Weights, their average, two numbers of Adam, and the best so far.
    assert found.training == 5 * weight_bytes(work)


def test_a_frozen_backbone_has_features_and_a_small_state(work):
    frozen = {"network": {"frozen": True}, "ema": {"decay": 0.9}}
    stages = work.settings.models["m"].stages
    head = stages["s"].model_copy(update={"training": frozen})
    model = work.settings.models["m"].model_copy(update={"stages": {"s": head}})
    settings = work.settings.model_copy(update={"models": {"m": model}})
    frozen_work = JobWork(settings, work.sizes)
    planned = [
        job("features", ds="test", sh="000", model="m", stage="s", encoder="all"),
        job("train_head", model="m", stage="s", fold="1"),
    ]
    found = disk_use(planned, frozen_work)
    views, features = 2, network_cost(work.stage("m", "s", 1).key, 64).features
    assert found.folders == {"features": 10 * views * features * 2, "models": weight_bytes(work)}
    assert found.training == weight_bytes(work)


def test_sizes_of_the_results_take_precedence(work):
    noise = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 4), np.uint8)
    write_shard("results/store/test/000.h5", list("abcd"), {"images": noise}, {})
    write_parquet("results/cells/test.parquet", pd.DataFrame({"ID": ["a", "a"], "cell": [1, 2]}))
    write_csv("results/submission.csv", pd.DataFrame({"ID": ["a"], "PredictionString": ["x" * 500]}))
    stored = Path("results/store/test/000.h5").stat().st_size / (4 * 16**2)
    found = disk_use([job("ingest", ds="test", sh="000"), job("submission")], work)
    written = Path("results/submission.csv").stat().st_size / 2
    assert found.folders == pytest.approx({"store": 10 * 64**2 * stored, "submission.csv": 60 * written})
    assert found.measured == {"store", "submission"}
