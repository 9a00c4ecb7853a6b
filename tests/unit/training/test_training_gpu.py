"""Training tests that need a GPU; skipped without one."""

import os
import signal

import pandas as pd
import pytest
import torch
from helpers.training_data import make_run, write_fields
from safetensors.torch import load_file

from puzzlecell.training.train import train

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def silent(done, total, text=""):
    """No progress."""


@pytest.fixture(scope="module")
def fields(tmp_path_factory):
    return write_fields(tmp_path_factory.mktemp("fields"))


@pytest.mark.parametrize("precision", ["float32", "bf16", "fp16", "auto"])
def test_losses_are_those_of_a_cpu(fields, tmp_path, precision):
    """bf16 has eight significant bits, so losses agree to about 1 %; two epochs of small steps keep the error there."""
    changes = {"optimiser": {"learning_rate": 1e-4}, "compute": {"precision": precision, "workers": 1}}
    train(make_run(*fields, tmp_path / "cpu", {"optimiser": {"learning_rate": 1e-4}}), silent)
    train(make_run(*fields, tmp_path / "gpu", changes, device="cuda"), silent)
    cpu, gpu = (pd.read_csv(tmp_path / name / "history.csv") for name in ("cpu", "gpu"))
    pd.testing.assert_frame_equal(gpu[["train_loss", "loss"]], cpu[["train_loss", "loss"]], rtol=0.05)


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_a_stopped_training_resumes(fields, tmp_path, precision):
    sent = []

    def stop(done, total, text=""):
        if done == 4 and not sent:
            sent.append(done)
            os.kill(os.getpid(), signal.SIGTERM)

    changes = {"compute": {"precision": precision}, "network": {"drop_rate": 0.2}}
    run = make_run(*fields, tmp_path / "stopped", changes, device="cuda")
    with pytest.raises(SystemExit):
        train(run, stop)
    train(run, silent)
    train(make_run(*fields, tmp_path / "whole", changes, device="cuda"), silent)
    found, expected = (load_file(tmp_path / name / "model.safetensors") for name in ("stopped", "whole"))
    for name in found:
        # The order of sums on a GPU changes from run to run.
        torch.testing.assert_close(found[name], expected[name], rtol=0.05, atol=0.01)


def test_compiled_training_runs(fields, tmp_path):
    train(make_run(*fields, tmp_path, {"compute": {"compile": True}, "epochs": 1}, device="cuda"), silent)
    assert (tmp_path / "model.safetensors").is_file()
