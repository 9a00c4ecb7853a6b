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
from puzzlecell.runtime.orphans import RUN
from puzzlecell.runtime.process import this_process

HOLD = """
import os, signal, sys, time
from pathlib import Path
from puzzlecell.runtime.claim import claimed
from puzzlecell.runtime.orphans import ended_with_run

if "deaf" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
with claimed(Path(sys.argv[1])), ended_with_run(every_s=0.05):
    child = os.fork() if "fork" in sys.argv else os.getpid()
    if child:
        print(child, flush=True)
    time.sleep(600)
"""
KILLED = replace(this_process(), started="1")
"""A run that has ended."""


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


@pytest.mark.parametrize("words", [(), ("deaf",)], ids=["ends by itself", "is killed"])
@pytest.mark.parametrize("found", ["by the same job", "before the first job"])
def test_an_orphan_is_ended_and_named(hold, path, words, found):
    process = hold(*words, run=KILLED)
    said = []
    if found == "by the same job":
        with claimed(path, said.append, grace_s=1.0):
            assert read_holder(path).process == this_process()
    else:
        said = end_orphans(path.parents[2], grace_s=1.0)
        assert "logs/train/fold1.log: process" in said[0]
    assert process.wait() == -(signal.SIGKILL if words else signal.SIGTERM)
    assert len(said) == 1
    assert f"process {process.pid} on " in said[0]
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


def test_what_a_killed_job_left_is_removed(path, tmp_path):
    script = tmp_path / ".snakemake/scripts/tmpabc.train.py"
    script.parent.mkdir(parents=True)
    own = tmp_path / "train.py"
    for file in (script, own):
        file.touch()
        write_claim(path, process=KILLED, script=str(file))
        assert end_orphans(tmp_path) == []
        assert not path.exists()
    assert not script.exists()
    assert own.exists()


@pytest.mark.parametrize(
    "holder", [KILLED, replace(KILLED, boot="other", host="elsewhere")], ids=["here", "elsewhere"]
)
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
