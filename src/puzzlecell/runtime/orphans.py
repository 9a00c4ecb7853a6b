"""Jobs that outlive the run that started them: they end themselves, after a training has saved its state."""

import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import parent_process

from puzzlecell.runtime.process import Process
from puzzlecell.runtime.run_record import run_of_this_job

log = logging.getLogger(__name__)


@contextmanager
def ended_with_run(every_s: float = 2.0) -> Iterator[None]:
    """Inside the block, send SIGTERM to this process when the run that started it has been killed.

    If it was killed before the block, SystemExit (143) is raised.
    Snakemake starts the job again and would discard what an orphan finishes, except for the saved state of a training.
    """
    over, run = threading.Event(), run_of_this_job()

    def watch(run: Process) -> None:
        while not over.wait(every_s):
            if run.alive() is False:
                log.warning("the run that started this job (process %d) was killed: ending the job", run.pid)
                os.kill(os.getpid(), signal.SIGTERM)
                return

    if run is not None and run.alive() is False:
        log.warning("the run that started this job (process %d) was killed", run.pid)
        raise SystemExit(128 + signal.SIGTERM)
    if run is not None and run.alive():
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
