"""A training that is stopped in any way and resumed equals an uninterrupted one."""

import multiprocessing
import os
import signal
import subprocess
import sys

import pytest
from helpers.paths import ROOT
from helpers.training_data import STATEFUL, assert_equal, make_run, silent

from puzzlecell.training.train import train

STEPS = 3


@pytest.mark.parametrize(
    ("number", "step"),
    [
        (signal.SIGTERM, 1),
        (signal.SIGTERM, STEPS),
        (signal.SIGINT, STEPS + 1),
        (signal.SIGTERM, 3 * STEPS),
    ],
)
def test_a_stopped_training_resumes_as_if_it_never_stopped(
    training_fields, uninterrupted, tmp_path, step, number
):
    """Stopped in the first epoch, at its end, in the second epoch, and after the very last step."""
    sent = []

    def stop(done, total, text=""):
        if done == step and not text and not sent:
            sent.append(done)
            os.kill(os.getpid(), number)

    run = make_run(*training_fields, tmp_path, STATEFUL)
    with pytest.raises(SystemExit) as stopped:
        train(run, stop)
    assert stopped.value.code == 128 + number
    assert (tmp_path / "last.ckpt").is_file()
    assert not (tmp_path / "model.safetensors").exists()
    done_again = []
    train(run, lambda done, total, text="": done_again.append(done))
    assert min(done_again) > step or step % STEPS == 0
    assert_equal(tmp_path, uninterrupted)


def test_a_state_on_a_volume_is_resumed_on_a_machine_without_the_first_output(
    training_fields, uninterrupted, tmp_path
):
    """The state is kept apart for each training, and nothing of it stays when the training is done."""
    volume, sent = tmp_path / "volume", []

    def stop(done, total, text=""):
        if done == STEPS + 1 and not sent:
            sent.append(done)
            os.kill(os.getpid(), signal.SIGTERM)

    def on(machine):
        output = tmp_path / machine / "results/models/m/stage1/fold1"
        return make_run(*training_fields, output, STATEFUL, states_below=str(volume))

    with pytest.raises(SystemExit):
        train(on("first"), stop)
    assert (volume / "results/models/m/stage1/fold1/last.ckpt").is_file()
    done_again = []
    train(on("second"), lambda done, total, text="": done_again.append(done))
    assert min(done_again) > STEPS
    assert_equal(on("second").output, uninterrupted)
    assert not [path for path in volume.rglob("*") if path.is_file()]


ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "tests")}

SIGNALLED = """
import os, signal, sys
from pathlib import Path
import pandas as pd
from helpers.paths import ROOT
from helpers.training_data import STATEFUL, make_run
from puzzlecell.training.train import train

def send(done, total, text=""):
    if done == {step}:
        os.killpg(0, {number})

changes = {{**STATEFUL, "save_minutes": {minutes}, "compute": {{"workers": 1}}}}
train(make_run(Path({store!r}), pd.read_csv({table!r}), Path({output!r}), changes), send)
"""


@pytest.mark.parametrize(("number", "minutes"), [(signal.SIGKILL, 1e-9), (signal.SIGTERM, None)])
def test_a_signal_to_all_processes_of_a_training(training_fields, uninterrupted, tmp_path, number, minutes):
    """After a kill, training resumes from the last saved step; after termination, from the current step."""
    store, table = training_fields
    step = STEPS + 2
    table.to_csv(tmp_path / "table.csv", index=False)
    output = tmp_path / "out"
    script = SIGNALLED.format(
        step=step,
        number=int(number),
        minutes=minutes,
        store=str(store),
        table=str(tmp_path / "table.csv"),
        output=str(output),
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], check=False, start_new_session=True, env=ENVIRONMENT
    )
    assert ended.returncode == {signal.SIGKILL: -9, signal.SIGTERM: 143}[number]
    done = []
    train(make_run(store, table, output, STATEFUL), lambda now, total, text="": done.append(now))
    assert min(done) == step + (number == signal.SIGTERM)
    assert_equal(output, uninterrupted)


def test_a_killed_worker_of_a_loader_stops_the_training_which_then_resumes(
    training_fields, uninterrupted, tmp_path
):
    """As if memory ran out: the state of the last epoch is resumed."""
    killed = []

    def kill_a_worker(done, total, text=""):
        if done == STEPS + 2 and not killed:
            killed.extend(multiprocessing.active_children()[:1])
            os.kill(killed[0].pid, signal.SIGKILL)
            killed[0].join()

    with pytest.raises(RuntimeError, match="DataLoader worker"):
        train(make_run(*training_fields, tmp_path, {**STATEFUL, "compute": {"workers": 1}}), kill_a_worker)
    assert killed
    assert not multiprocessing.active_children()
    done_again = []
    train(
        make_run(*training_fields, tmp_path, STATEFUL), lambda done, total, text="": done_again.append(done)
    )
    assert min(done_again) == STEPS + 1
    assert_equal(tmp_path, uninterrupted)


def stop_after(step):
    def stop(done, total, text=""):
        if done == step and not text:
            os.kill(os.getpid(), signal.SIGTERM)

    return stop


def test_a_changed_fingerprint_restarts_with_a_log_message(training_fields, uninterrupted, tmp_path, caplog):
    with pytest.raises(SystemExit):
        train(make_run(*training_fields, tmp_path, {**STATEFUL, "seed": 1}, fingerprint="old"), stop_after(4))
    caplog.set_level("INFO")
    train(make_run(*training_fields, tmp_path, STATEFUL, fingerprint="new"), silent)
    assert "starting again: configuration, inputs or code changed" in caplog.text
    assert_equal(tmp_path, uninterrupted)
