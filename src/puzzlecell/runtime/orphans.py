"""Jobs that outlive the run that started them: they end themselves, after a training has saved its state."""

import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import parent_process

from puzzlecell.runtime.process import Process, process_of, this_process

log = logging.getLogger(__name__)

RUN = "PUZZLECELL_RUN"
"""Environment variable with Snakemake's process, for the jobs that it starts on the same machine."""


def announce_run(own_jobs: bool) -> None:
    """Tell jobs that this process starts who it is, so that they end with it; not if a cluster starts them."""
    os.environ.pop(RUN, None)
    if own_jobs:
        os.environ[RUN] = this_process().as_json()


def run_of_this_job() -> Process | None:
    """Return Snakemake's process that started this job on the same machine; None for jobs of a cluster."""
    return process_of(os.environ.get(RUN))


@contextmanager
def ended_with_run(every_s: float = 2.0) -> Iterator[None]:
    """Inside the block, send SIGTERM to this process when the run that started it has been killed.

    Snakemake starts the job again and would discard what an orphan finishes, except for the saved state of a training.
    """
    over, run = threading.Event(), run_of_this_job()

    def watch(run: Process) -> None:
        while not over.wait(every_s):
            if run.alive() is False:
                log.warning("the run that started this job (process %d) was killed: ending the job", run.pid)
                os.kill(os.getpid(), signal.SIGTERM)
                return

    if run is not None and run.alive() is not None:
        threading.Thread(target=watch, args=(run,), name="ended_with_run", daemon=True).start()
    try:
        yield
    finally:
        over.set()


def end_with_parent() -> None:
    """End this worker process when its parent is killed: a pool's workers would otherwise wait for it for ever."""

    def watch() -> None:
        parent = parent_process()
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, name="end_with_parent", daemon=True).start()
