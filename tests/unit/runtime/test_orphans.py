import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from puzzlecell.runtime.orphans import RUN, announce_run, run_of_this_job
from puzzlecell.runtime.process import start_time, this_process

JOB = """
import sys, time
from puzzlecell.runtime.orphans import ended_with_run

with ended_with_run(every_s=0.02):
    time.sleep({inside})
time.sleep({after})
"""


@pytest.mark.parametrize(
    ("changes", "inside", "after", "status"),
    [
        ({"started": "1"}, 60, 0, -signal.SIGTERM),
        ({}, 0.2, 0, 0),
        ({"namespace": "of a container"}, 0.2, 0, 0),
        ({"started": "1"}, 0, 0.2, 0),
        (None, 0.2, 0, 0),
    ],
    ids=["killed", "running", "elsewhere", "job is over", "none"],
)
def test_a_job_ends_with_the_run_that_started_it(changes, inside, after, status):
    environment = {name: value for name, value in os.environ.items() if name != RUN}
    if changes is not None:
        environment[RUN] = replace(this_process(), **changes).as_json()
    command = [sys.executable, "-c", JOB.format(inside=inside, after=after)]
    assert subprocess.run(command, env=environment, timeout=50).returncode == status


def test_only_jobs_of_this_machine_know_the_run(monkeypatch):
    monkeypatch.setenv(RUN, "of another run")
    announce_run(own_jobs=True)
    assert run_of_this_job() == this_process()
    announce_run(own_jobs=False)
    assert run_of_this_job() is None


POOL = """
import multiprocessing, os, time
from concurrent.futures import ProcessPoolExecutor
from puzzlecell.runtime.orphans import end_with_parent

def tell(_):
    time.sleep(0.2)
    return os.getpid()

if __name__ == "__main__":
    context = multiprocessing.get_context({method!r})
    with ProcessPoolExecutor(2, mp_context=context, initializer=end_with_parent) as pool:
        print(*set(pool.map(tell, range(4))), flush=True)
        os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_workers_of_a_pool_end_when_their_parent_is_killed(tmp_path, method):
    (tmp_path / "pool.py").write_text(POOL.format(method=method))
    # Not to a pipe, which would be read until the last worker has ended.
    with (tmp_path / "told").open("w") as told:
        subprocess.run([sys.executable, tmp_path / "pool.py"], stdout=told, check=False)
    workers = (tmp_path / "told").read_text().split()
    assert workers
    until = time.monotonic() + 20
    while any(start_time(int(pid)) for pid in workers) and time.monotonic() < until:
        time.sleep(0.02)
    assert not [pid for pid in workers if start_time(int(pid))]
