"""A run whose only network is a vision transformer: all that the default does, with every step and its views."""

import re

import pandas as pd
import pytest

from puzzlecell.network.cam_network import load_network

TARGETS = ("results/submission.csv", "results/oof/vit/stage2/metrics.csv", "results/score/test.csv")


@pytest.mark.long
def test_a_vision_transformer_does_what_other_networks_do(finished, tmp_path):
    project = finished.copy(tmp_path / "project")

    def change(settings):
        settings["datasets"].pop("additional")
        settings["datasets"].pop("holdout")
        settings["models"] = {
            "vit": {
                "network": {"backbone": "test_vit", "pretrained": False, "output_stride": 16},
                "input": {"field_size": 64, "crop_size": 64},
                "training": {
                    "optimiser": {"name": "adamw", "layer_decay": 0.75, "weight_decay": 0.05},
                    "schedule": {"kind": "cosine", "warmup_epochs": 1},
                },
                "stages": {
                    "stage1": {"datasets": ["train"], "training": {"puzzle": {"pieces": 0}}},
                    "stage2": {"datasets": ["train"], "start": "stage1", "training": {"epochs": 3}},
                },
            }
        }
        members = [{"model": "vit", "stage": "stage2", "step": step} for step in (1, 2)]
        settings["ensemble"] = {"members": members}
        settings["step1"] = {"tta": {"flip": True, "rotate": True, "scales": [1, 1.5]}}
        settings["step2"] = {"canvas": "fitted", "tta": {"rotate": True}}

    configuration = project.configure("vit.yaml", change)
    done = project.run(*TARGETS, configuration=configuration)
    assert done.returncode == 0, done.stdout[-4000:]
    results = project.folder / "results"
    network = load_network(results / "models/vit/stage2/fold1/model.safetensors")
    assert network.backbone.num_prefix_tokens == 1
    history = pd.read_csv(results / "models/vit/stage2/fold1/history.csv")
    # With the puzzle, and the rate at the end of the warm-up, of a half cosine and of the training.
    assert (history["train_tiles"] > 0).all()
    assert history["learning_rate"].iloc[0] == pytest.approx(1e-3)
    assert history["learning_rate"].iloc[-1] == pytest.approx(1e-6)
    cells = pd.read_parquet(results / "cells/test.parquet")
    for step in (1, 2):
        tables = sorted((results / f"step{step}/test").glob("vit.stage2/*.parquet"))
        found = pd.concat([pd.read_parquet(path) for path in tables if "images" not in path.name])
        assert sorted(zip(found["ID"], found["cell"], strict=True)) == sorted(
            zip(cells["ID"], cells["cell"], strict=True)
        )
        assert found.filter(regex=r"^p\d").to_numpy().std() > 0
    planned = project.run("-n", *TARGETS, configuration=configuration)
    assert "Nothing to be done" in planned.stdout
    # A patch size that is not the output stride is reported before the first job.
    wrong = project.configure(
        "wrong.yaml",
        lambda settings: (change(settings), settings["models"]["vit"]["network"].pop("output_stride")),
    )
    refused = project.run(*TARGETS, configuration=wrong)
    assert refused.returncode != 0
    assert re.search(r"stage1: network.output_stride: test_vit has patches of 16", refused.stdout)
