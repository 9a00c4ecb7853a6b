"""Training in several processes, with gloo on the CPU."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
from helpers.paths import ROOT
from helpers.training_data import make_run, write_fields
from safetensors.torch import load_file

from puzzlecell.training.train import train

# Without batch normalisation, whose statistics each process would take over its own share, and without dropout.
PLAIN = {
    "network": {"backbone": "test_efficientnet_ln"},
    "batch_size": 8,
    "optimiser": {"accumulate": 2, "name": "sgd", "learning_rate": 0.02},
    "samples_per_epoch": 96,
    "ema": {"decay": 0.9},
}


def silent(done, total, text=""):
    """No progress."""


@pytest.fixture(scope="module")
def fields(tmp_path_factory):
    return write_fields(tmp_path_factory.mktemp("fields"), fields=25)


@pytest.fixture(scope="module")
def single(fields, tmp_path_factory):
    output = tmp_path_factory.mktemp("single")
    train(make_run(*fields, output, PLAIN), silent)
    return output


def assert_close(found: Path, expected: Path) -> None:
    left, right = (load_file(folder / "model.safetensors") for folder in (found, expected))
    for name in left:
        # Float32 sums of gradients in a different order, over 24 steps.
        torch.testing.assert_close(left[name], right[name], rtol=1e-4, atol=1e-6)
    # Only the losses of the history: metrics depend on ranks, which change with the last digits of the predictions.
    parts = ["loss", "full", "tiles", "consistency"]
    columns = [*parts, *(f"train_{part}" for part in parts)]
    histories = [pd.read_csv(folder / "history.csv")[columns] for folder in (found, expected)]
    pd.testing.assert_frame_equal(*histories, rtol=1e-4)
    predictions = [pd.read_csv(folder / "oof.csv", dtype={"Label": str}) for folder in (found, expected)]
    pd.testing.assert_frame_equal(*predictions, rtol=1e-3, atol=1e-4)


def test_two_processes_give_the_result_of_one_on_the_same_global_batch(fields, single, tmp_path):
    train(make_run(*fields, tmp_path, PLAIN, devices=2, threads=2), silent)
    assert_close(tmp_path, single)


ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "tests")}

STOPPED = """
import os, signal, sys, time
from pathlib import Path
import pandas as pd
import puzzlecell.training.steps
from helpers.training_data import make_run
from puzzlecell.runtime.signals import StopRequest
from puzzlecell.training.train import train

make_step, made = puzzlecell.training.steps.train_step, []
note, noted = StopRequest._note, []

def note_and_tell(self, number, frame):
    noted.append(number)
    note(self, number, frame)

def ask_to_stop_at_a_step(session, *given):
    made.append(session.step)
    if len(made) == {step} and session.fabric.is_global_zero:
        os.kill(os.getppid(), signal.SIGTERM)
        while not noted:  # until the parent has forwarded it
            time.sleep(0.02)
    return make_step(session, *given)

puzzlecell.training.steps.train_step = ask_to_stop_at_a_step
StopRequest._note = note_and_tell

if __name__ == "__main__":
    table = pd.read_csv({table!r})
    train(make_run(Path({store!r}), table, Path({output!r}), {changes!r}, devices=2, threads=2))
"""


# An epoch has 12 steps; processes agree on stopping at its end and at every tenth step.
@pytest.mark.parametrize(("step", "kept"), [(11, 12), (13, 22)], ids=["after an epoch", "within an epoch"])
def test_a_request_to_stop_reaches_all_processes_and_the_training_resumes(
    fields, single, tmp_path, step, kept
):
    """Only the parent process gets SIGTERM; the training is then finished by a single process."""
    store, table = fields
    table.to_csv(tmp_path / "table.csv", index=False)
    output = tmp_path / "out"
    script = tmp_path / "script.py"
    script.write_text(
        STOPPED.format(
            changes=PLAIN,
            store=str(store),
            table=str(tmp_path / "table.csv"),
            output=str(output),
            step=step,
        )
    )
    ended = subprocess.run(
        [sys.executable, str(script)], check=False, capture_output=True, text=True, env=ENVIRONMENT
    )
    assert ended.returncode == 128 + signal.SIGTERM, ended.stderr
    assert (output / "last.ckpt").is_file()
    assert not (output / "model.safetensors").exists()
    done = []
    train(make_run(store, table, output, PLAIN), lambda now, total, text="": done.append(now))
    assert min(done) == kept + 1
    assert_close(output, single)


SEMAPHORE = """
import multiprocessing, os
from pathlib import Path
import puzzlecell.training.train

lock = multiprocessing.get_context("spawn").Lock()
print(os.getpid(), *Path("/dev/shm").glob(f"sem.loky-{os.getpid()}-*"))
"""


def test_semaphores_of_a_training_are_named_after_their_process():
    """Those of several training processes are left behind if all are killed, and found by these names."""
    told = subprocess.run(
        [sys.executable, "-c", SEMAPHORE], capture_output=True, text=True, check=True
    ).stdout
    assert len(told.split()) == 2
