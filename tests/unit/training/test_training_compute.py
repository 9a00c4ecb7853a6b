"""Training settings have an effect, including those of how training is computed."""

import sys

import numpy as np
import pandas as pd
import pytest
import torch
from helpers.training_data import CLASSES, make_run, silent, weights

from puzzlecell.config.network import InputSettings, NetworkSettings
from puzzlecell.config.training import ComputeSettings
from puzzlecell.errors import UserError
from puzzlecell.network.cam_network import build_network
from puzzlecell.network.puzzle import PuzzleNetwork
from puzzlecell.training import setup
from puzzlecell.training.run import TrainingError
from puzzlecell.training.setup import laid_out
from puzzlecell.training.train import train


@pytest.mark.parametrize(
    ("changes", "column", "check"),
    [
        ({"puzzle": {"pieces": 0}}, "train_tiles", lambda values: (values == 0).all()),
        ({"puzzle": {"validate_tiles": False}}, "tiles", lambda values: (values == 0).all()),
        ({"samples_per_epoch": 5, "epochs": 3}, "epoch", lambda values: len(values) == 3),
        (
            {"loss": {"gamma": 2, "gamma_ramp": 1.0}, "epochs": 4},
            "gamma",
            lambda values: np.allclose(values, [2 * 2 / 11, 2 * 5 / 11, 2 * 8 / 11, 2]),
        ),
        (
            {"early_stop": 2, "epochs": 9, "optimiser": {"learning_rate": 1e-12}, "best_metric": "f1_macro"},
            "epoch",
            lambda values: len(values) == 3,
        ),
    ],
)
def test_settings_have_an_effect(training_fields, tmp_path, changes, column, check):
    train(make_run(*training_fields, tmp_path, changes), silent)
    assert check(pd.read_csv(tmp_path / "history.csv")[column])


@pytest.mark.parametrize("precision", ["bf16", "float32"])
def test_precision_sets_the_type_of_the_backbones_activations(training_fields, tmp_path, precision):
    seen = []
    hook = torch.nn.modules.module.register_module_forward_hook(
        lambda module, given, out: seen.append(out.dtype) if isinstance(module, torch.nn.Conv2d) else None
    )
    try:
        train(
            make_run(*training_fields, tmp_path, {"compute": {"precision": precision}, "epochs": 1}), silent
        )
    finally:
        hook.remove()
    assert seen[-1] == {"bf16": torch.bfloat16, "float32": torch.float32}[precision]
    assert all(tensor.dtype in (torch.float32, torch.int64) for tensor in weights(tmp_path).values())


def test_compile_compiles_the_network(training_fields, tmp_path, monkeypatch):
    compiled = []
    monkeypatch.setattr(torch, "compile", lambda module: compiled.append(module) or module)
    train(make_run(*training_fields, tmp_path, {"compute": {"compile": True}, "epochs": 1}), silent)
    (module,) = compiled
    assert isinstance(module, PuzzleNetwork)


@pytest.mark.parametrize("channels_last", [True, False])
def test_memory_format_is_applied(channels_last):
    settings = ComputeSettings(channels_last=channels_last)
    network = laid_out(
        build_network(NetworkSettings(backbone="test_resnet", pretrained=False), InputSettings(), CLASSES),
        settings,
        1,
    )
    weight = network.backbone.layer1[0].conv2.weight
    assert weight.is_contiguous(memory_format=torch.channels_last) is channels_last


@pytest.mark.parametrize(("world", "shared"), [(1, False), (2, True)])
def test_batch_statistics_are_shared_between_several_processes_only(world, shared):
    network = build_network(
        NetworkSettings(backbone="test_resnet", pretrained=False), InputSettings(), CLASSES
    )
    network = laid_out(network, ComputeSettings(sync_batchnorm=True), world)
    assert any(isinstance(module, torch.nn.SyncBatchNorm) for module in network.modules()) is shared


@pytest.mark.parametrize("keep", [True, False])
def test_keep_memory_is_applied(training_fields, tmp_path, monkeypatch, keep):
    kept = set()
    monkeypatch.setattr(setup, "keep_freed_memory", lambda: kept.add("memory"))
    train(make_run(*training_fields, tmp_path, {"compute": {"keep_memory": keep}, "epochs": 1}), silent)
    assert bool(kept) is keep


def test_number_of_processes(training_fields, tmp_path):
    gpus = {"compute": {"gpus": 3}}
    assert make_run(*training_fields, tmp_path, gpus).world == 1
    assert make_run(*training_fields, tmp_path, gpus, device="cuda").world == 3
    assert make_run(*training_fields, tmp_path, gpus, devices=2).world == 2


def test_tensorboard_events_are_written_on_request(training_fields, tmp_path):
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    train(make_run(*training_fields, tmp_path, {"tensorboard": True}), silent)
    found = events.EventAccumulator(str(tmp_path / "events")).Reload()
    history = pd.read_csv(tmp_path / "history.csv")
    assert [event.step for event in found.Scalars("loss")] == [1, 2]
    np.testing.assert_allclose([event.value for event in found.Scalars("map")], history["map"], rtol=1e-6)


def test_tensorboard_without_the_package_says_what_to_install(training_fields, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(UserError, match=r"pip install \"puzzlecell\[tensorboard\]\""):
        train(make_run(*training_fields, tmp_path, {"tensorboard": True}), silent)


def test_fp16_needs_a_gpu(training_fields, tmp_path):
    with pytest.raises(TrainingError, match="fp16 needs a GPU"):
        train(make_run(*training_fields, tmp_path, {"compute": {"precision": "fp16"}}), silent)
