import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from puzzlecell.runtime.process import process_of, start_time, this_process
from puzzlecell.runtime.run_record import RUN

IMPORT = "import time\nfrom puzzlecell.runtime.orphans import ended_with_run\n"
WITHIN = "with ended_with_run(every_s=0.02):\n    print('here', flush=True)\n    time.sleep({})"
AFTER = "with ended_with_run(every_s=0.02):\n    pass\nprint('here', flush=True)\ntime.sleep({})"


def start_job(run, script):
    environment = {name: value for name, value in os.environ.items() if name != RUN}
    environment |= {RUN: run.as_json()} if run else {}
    command = [sys.executable, "-c", IMPORT + script]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize(
    ("changes", "status"),
    [({"started": "1"}, 143), ({}, 0), ({"namespace": "of a container"}, 0), (None, 0)],
    ids=["killed", "running", "elsewhere", "none"],
)
def test_a_job_begins_unless_its_run_was_killed(changes, status):
    run = None if changes is None else replace(this_process(), **changes)
    job = start_job(run, WITHIN.format(0.2))
    job.communicate(timeout=50)
    assert job.returncode == status


@pytest.mark.parametrize(
    ("script", "status"),
    [(WITHIN.format(60), -signal.SIGTERM), (AFTER.format(0.2), 0)],
    ids=["within the block", "after it"],
)
def test_a_job_ends_when_the_run_that_started_it_is_killed(script, status):
    tell = (
        "import time; from puzzlecell.runtime.process import *; print(this_process().as_json(), flush=True)"
    )
    command = [sys.executable, "-c", f"{tell}; time.sleep(600)"]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    job = start_job(process_of(run.stdout.readline()), script)
    assert job.stdout.readline() == "here\n"
    run.kill()
    run.communicate()
    job.communicate(timeout=50)
    assert job.returncode == status


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
