"""A run that is stopped in any way and started again ends in the same bytes, and nothing is left behind."""

import inspect
import os
import random
import signal
import time

import pytest
from helpers.faults import sessions, settled, watched

from puzzlecell.runtime.claim import read_holder
from puzzlecell.runtime.orphans import ended_with_run

# How often a job looks whether its run still lives.
LOOKS_EVERY_S = inspect.signature(ended_with_run).parameters["every_s"].default
STOPS = ("kill everything", "kill a script", "kill snakemake", "terminate", "interrupt")


def scripts(runs):
    """Processes of jobs, by their claims."""
    holders = [read_holder(path) for path in runs.results.rglob(".*.claim")]
    return sorted(holder.process.pid for holder in holders if holder is not None)


def stop(runs, process, kind, chance):
    """Stop a run in one of the ways, as soon as one of its jobs has begun."""
    if kind in ("kill a script", "kill snakemake"):
        runs.wait(process, lambda: scripts(runs))
        pid = chance.choice(scripts(runs)) if kind == "kill a script" else process.pid
        os.kill(pid, signal.SIGKILL)
    else:
        number = {"terminate": signal.SIGTERM, "interrupt": signal.SIGINT}.get(kind, signal.SIGKILL)
        # To all processes, as a terminal does.
        os.killpg(process.pid, number)
    runs.status(process)


@pytest.mark.long
@pytest.mark.parametrize("seed", [1, 2])
def test_a_run_stopped_at_random_moments_ends_in_the_same_bytes(fresh, first, seed):
    """One run from raw fields to submission is stopped in each of the ways, a random number of jobs apart."""
    chance = random.Random(seed)
    kinds = chance.sample(STOPS, len(STOPS))
    with watched(fresh) as runs:
        for kind in kinds:
            if any((fresh.folder / ".snakemake/locks").glob("*")):
                assert runs.status(runs.start("--unlock")) == 0
            process = runs.start()
            starts = chance.randint(2, 5)
            runs.wait(process, lambda starts=starts: runs.shown.count("started: ") >= starts)
            time.sleep(chance.uniform(0, 2))
            stop(runs, process, kind, chance)
            assert process.returncode != 0, f"{kind}: {runs.shown}"
            if kind == "kill snakemake":
                settled(lambda: not runs.processes(), "an orphan lives on")
        runs.finish()
        assert runs.submission == first, kinds
        runs.assert_nothing_left()


@pytest.mark.long
def test_a_training_whose_snakemake_is_killed_saves_its_state_and_ends(runs, first):
    """With workers, which have temporary files and shared memory of their own."""
    runs.project.edit("config/tiny.yaml", "{epochs: 12}", "{epochs: 12, compute: {workers: 1}}")
    process = runs.start()
    folder = runs.results / "models/tiny/stage3/fold1"
    runs.wait(process, lambda: (folder / "last.ckpt").exists())
    assert any(runs.temporary.glob("puzzlecell-job-*/pymp-*"))
    # Halted until it looks for its run again: on a fast machine, it would finish before.
    halted = scripts(runs)
    for pid in halted:
        os.kill(pid, signal.SIGSTOP)
    process.kill()
    runs.status(process)
    time.sleep(2 * LOOKS_EVERY_S)
    for pid in halted:
        os.kill(pid, signal.SIGCONT)
    settled(lambda: not runs.processes(), "an orphan lives on")
    log = runs.results / "logs/train/tiny/stage3/fold1.log"
    assert "was killed: ending the job" in log.read_text()
    assert (folder / "last.ckpt").exists()
    runs.finish()
    assert "resuming from" in log.read_text()
    assert runs.submission == first
    runs.assert_nothing_left()


@pytest.mark.long
def test_an_orphan_that_does_not_end_is_found_by_the_next_run(runs, first):
    """A training that was halted when its run was killed: it must not go on to write the files of the next run."""
    process = runs.start()
    folder = runs.results / "models/tiny/stage3/fold1"
    runs.wait(process, lambda: (folder / "last.ckpt").exists())
    halted = scripts(runs)
    for pid in halted:
        os.kill(pid, signal.SIGSTOP)
    process.kill()
    runs.status(process)
    assert set(halted) <= {pid for pid, _ in sessions()}
    runs.finish()
    assert "was still running after its run had been killed; it has been ended" in runs.shown
    assert runs.submission == first
    runs.assert_nothing_left()


@pytest.mark.long
def test_of_two_runs_started_together_one_finishes(runs, first, tmp_path):
    started = [runs.start(output=tmp_path / name) for name in ("one.txt", "two.txt")]
    statuses = [runs.status(process) for process in started]
    shown = [(tmp_path / name).read_text() for name in ("one.txt", "two.txt")]
    assert sorted(statuses) == [0, 1], shown
    refused = " ".join(shown[statuses.index(1)].split())
    assert "Directory cannot be locked" in refused or "another run is working on this job" in refused
    assert runs.submission == first
    runs.assert_nothing_left()
