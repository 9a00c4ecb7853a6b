import os
import signal
import subprocess
import sys
import time

import pytest

from puzzlecell.runtime.claim import ClaimError, claimed
from puzzlecell.runtime.handover import handed_over, request_path

HOLDER = """
import signal, sys, time
from pathlib import Path
from puzzlecell.runtime.claim import claimed

def stop(number, frame):
    time.sleep(0.3)
    print("saved", flush=True)
    sys.exit(143)

signal.signal(signal.SIGTERM, stop)
with claimed(Path(sys.argv[1])):
    print("working", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def slurm_job(monkeypatch):
    """This process is a job of SLURM, and so are those that it starts."""
    monkeypatch.setenv("SLURM_JOB_ID", "7")


@pytest.fixture
def ended_by_signal():
    """Signals that this process gets."""
    got = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: got.append(number))
    yield got
    signal.signal(signal.SIGTERM, before)


def take_over(path, how):
    if how == "rewritten":
        path.write_bytes(b"another's")
        return
    path.rename(path.with_name("old"))
    if how == "replaced":
        path.write_bytes(b"mine")


def holding(path):
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "working\n"
    return process


def test_the_first_copy_of_a_job_ends_when_the_second_one_starts(tmp_path, slurm_job):
    path, said = tmp_path / ".log.claim", []
    first = holding(path)
    with claimed(path, said.append):
        assert first.wait(10) == 143
        assert first.stdout.read() == "saved\n"
        assert not request_path(path).exists()
    assert "SLURM job 7" in said[0]
    assert list(tmp_path.iterdir()) == []


def test_a_first_copy_that_does_not_answer_is_named(tmp_path, slurm_job):
    path = tmp_path / ".log.claim"
    first = holding(path)
    os.kill(first.pid, signal.SIGSTOP)
    try:
        still = pytest.raises(ClaimError, match=f"process {first.pid} .* SLURM job 7 is still working")
        with still, claimed(path, patience_s=0.5):
            pytest.fail("two copies work at the same time")
    finally:
        first.kill()
        first.wait()


@pytest.mark.parametrize("taken_over", ["rewritten", "replaced", "removed"])
def test_a_copy_that_has_lost_its_claim_ends(tmp_path, ended_by_signal, taken_over):
    """After a failure of the network, the lock is gone and the file is another's."""
    path = tmp_path / ".log.claim"
    with path.open("wb+", buffering=0) as held:
        held.write(b"mine")
        with handed_over(path, held, every_s=0.02):
            time.sleep(0.1)
            assert not ended_by_signal
            take_over(path, taken_over)
            until = time.monotonic() + 10
            while not ended_by_signal and time.monotonic() < until:
                time.sleep(0.01)
    assert ended_by_signal


def test_a_request_from_before_ends_nobody(tmp_path, ended_by_signal):
    path = tmp_path / ".log.claim"
    request_path(path).write_text("a copy that was killed while it waited")
    with path.open("wb+", buffering=0) as held, handed_over(path, held, every_s=0.02):
        assert not request_path(path).exists()
        time.sleep(0.2)
    assert not ended_by_signal
