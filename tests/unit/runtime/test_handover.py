import os
import signal
import subprocess
import sys
import time

import pytest

from puzzlecell.runtime.claim import ClaimError, claimed
from puzzlecell.runtime.handover import request_path

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


def test_an_old_request_ends_nobody(tmp_path, slurm_job):
    path = tmp_path / ".log.claim"
    request_path(path).write_text("a copy that was killed while it waited")
    with claimed(path):
        assert not request_path(path).exists()
        time.sleep(0.1)
