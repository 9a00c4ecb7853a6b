"""The same work many times in a row: nothing is left over, and nothing grows."""

import gc
import os
import shutil
import threading
import time
from pathlib import Path

import pytest
from helpers.display import record
from helpers.faults import SHARED_MEMORY, files, settled, watched
from helpers.training_data import make_run, silent, write_fields
from snakemake.settings.types import OutputSettings
from snakemake_interface_logger_plugins.common import LogEvent

from puzzlecell.training.train import train
from snakemake_logger_plugin_puzzlecell import LogHandler

RUNS = int(os.environ.get("SOAK_RUNS", "2"))


def open_files(pid="self"):
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def threads(pid="self"):
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


@pytest.mark.long
def test_runs_in_a_row_leave_nothing_and_do_not_grow(fresh, first):
    """Each run makes everything from the raw fields on. `SOAK_RUNS` sets their number, 2 by default."""
    with watched(fresh) as runs:
        most = []
        for number in range(RUNS):
            shutil.rmtree(runs.results, ignore_errors=True)
            process, seen = runs.start(), {"open files": 0, "threads": 0, "processes": 0}
            while process.poll() is None:
                try:
                    now = open_files(process.pid), threads(process.pid), len(runs.processes())
                except OSError:  # It has just ended.
                    break
                seen = {name: max(pair) for name, *pair in zip(seen, seen.values(), now, strict=True)}
                time.sleep(0.2)
            assert runs.status(process) == 0, runs.shown[-4000:]
            assert runs.submission == first
            runs.assert_nothing_left()
            left = {"temporary": len(files(runs.temporary)), "shared memory": len(files(SHARED_MEMORY))}
            most.append({**seen, **left})
            print(f"run {number + 1}: most at once: {seen}; left: {left}", flush=True)
    # The numbers of threads and files vary by a few with the jobs that happen to run at the same time.
    assert all(most[-1][name] <= most[0][name] + 8 for name in most[0]), most


def test_trainings_in_a_row_in_one_process_leave_nothing_open(tmp_path):
    """With a worker process for each loader."""
    fields = write_fields(tmp_path, fields=8)
    found = []
    for number in range(3):
        train(make_run(*fields, tmp_path / str(number), {"epochs": 1, "compute": {"workers": 1}}), silent)
        gc.collect()
        found.append((open_files(), threads(), files(SHARED_MEMORY)))
    # The first one starts thread pools that stay.
    assert found[1] == found[2]


def test_displays_in_a_row_leave_nothing_open(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = open_files(), threading.active_count()
    for _ in range(3):
        handler = LogHandler(OutputSettings(), None)
        handler.handle(record(LogEvent.RESOURCES_INFO, "Provided cores: 2"))
        handler.close()
    settled(lambda: (open_files(), threading.active_count()) == before, "files or threads are left")
