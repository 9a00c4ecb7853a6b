"""Who gets the claim of a job while another process holds it, or after that process was killed."""

import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict, replace

import pytest

from puzzlecell.runtime.claim import ClaimError, Holder, claim_path, claimed, end_orphans, read_holder
from puzzlecell.runtime.process import this_process
from puzzlecell.runtime.run_record import RUN

HOLD = """
import os, sys, time
from pathlib import Path
from puzzlecell.runtime.claim import claimed

with claimed(Path(sys.argv[1])):
    child = os.fork() if "fork" in sys.argv else os.getpid()
    if child:
        print(child, flush=True)
    time.sleep(600)
"""
KILLED = replace(this_process(), started="1")
"""A run that has ended."""
ELSEWHERE = replace(KILLED, boot="other", host="elsewhere")


@pytest.fixture
def path(tmp_path):
    return claim_path(tmp_path / "logs/train/fold1.log")


@pytest.fixture
def hold(path):
    """A function that starts a process that holds the claim."""
    started = []

    def start(*words, run=None):
        environment = {name: value for name, value in os.environ.items() if name != RUN}
        environment |= {RUN: run.as_json()} if run else {}
        command = [sys.executable, "-c", HOLD, str(path), *words]
        started.append(
            process := subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        )
        process.child = int(process.stdout.readline())
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize("ends", [True, False], ids=["ends by itself", "is killed"])
def test_an_orphan_makes_way_for_the_same_job(hold, path, ends):
    process = hold(run=KILLED)
    said = []

    def say(text):
        said.append(text)
        if ends:
            process.terminate()

    with claimed(path, say, grace_s=60 if ends else 0.1):
        assert read_holder(path).process == this_process()
    assert process.wait() == -(signal.SIGTERM if ends else signal.SIGKILL)
    assert len(said) == 1
    assert f"process {process.pid} on " in said[0]
    assert not path.exists()


def test_orphans_are_found_before_the_first_job(hold, path):
    process = hold(run=KILLED)
    (said,) = end_orphans(path.parents[2], grace_s=0.1)
    assert process.wait() == -signal.SIGKILL
    assert said.startswith(f"{path.parents[2]}/logs/train/fold1.log: process {process.pid} on ")
    assert not path.exists()


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (this_process(), "another run is working on this job .process"),
        (None, "still working on this job; stop it"),
    ],
    ids=["of a run that goes on", "of a cluster"],
)
def test_a_job_that_is_no_orphan_is_not_disturbed(hold, path, run, message):
    process = hold(run=run)
    assert end_orphans(path.parent) == []
    with pytest.raises(ClaimError, match=message), claimed(path, patience_s=0.1):
        pass
    assert process.poll() is None
    assert read_holder(path).process.pid == process.pid


def test_a_claim_ends_with_its_process_even_if_a_child_lives_on(hold, path):
    process = hold("fork")
    process.kill()
    process.wait()
    os.kill(process.child, 0)
    with claimed(path, patience_s=0.0):
        pass
    os.kill(process.child, signal.SIGKILL)


def write_claim(path, **given):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(Holder(**given))))


@pytest.mark.parametrize(("holder", "left"), [(KILLED, False), (ELSEWHERE, True)], ids=["here", "elsewhere"])
def test_only_claims_of_killed_jobs_are_removed(path, holder, left):
    write_claim(path, process=holder)
    assert end_orphans(path.parent) == []
    assert path.exists() is left


@pytest.mark.parametrize("holder", [KILLED, ELSEWHERE], ids=["here", "elsewhere"])
@pytest.mark.parametrize("locks", [True, False])
def test_a_claim_that_nobody_holds_is_taken_over(path, monkeypatch, holder, locks):
    write_claim(path, process=holder)
    if not locks:
        monkeypatch.setattr(fcntl, "lockf", no_locks)
    with claimed(path, patience_s=0.0):
        assert read_holder(path) == Holder.here()


def test_without_locks_the_process_in_the_file_is_looked_up(path, monkeypatch, hold):
    monkeypatch.setattr(fcntl, "lockf", no_locks)
    hold()
    with pytest.raises(ClaimError, match="still working"), claimed(path, patience_s=0.0):
        pass


def no_locks(*_):
    raise OSError(errno.ENOLCK, "No locks available")


def test_the_slurm_job_is_named(path, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    with claimed(path):
        assert str(read_holder(path)).endswith(", SLURM job 12")
