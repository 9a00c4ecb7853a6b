"""Handing over a job on a cluster: the first copy of a requeued job ends when the second one asks for it.

SLURM starts a job again when it loses its node, which may be alive and go on working, out of SLURM's reach.
"""

import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

log = logging.getLogger(__name__)


def request_path(claim: Path) -> Path:
    """Path of the request to hand over the job with this claim."""
    return claim.with_name(f"{claim.name}.wanted")


def request(claim: Path, asking: str) -> None:
    """Ask the holder of a claim to end; asking: who asks, as text."""
    request_path(claim).write_text(asking, encoding="utf-8")


@contextmanager
def handed_over_on_request(claim: Path, every_s: float = 2.0) -> Iterator[None]:
    """Inside the block, in which this process holds a claim, send it SIGTERM once another one asks for the claim.

    A training then saves its state and ends. every_s: seconds between two looks. Earlier requests are removed.
    """
    over, path = threading.Event(), request_path(claim)
    path.unlink(missing_ok=True)

    def watch() -> None:
        while not over.wait(every_s):
            try:
                asking = path.read_text(encoding="utf-8")
            except OSError:
                continue
            log.warning("another copy of this job has been started (%s): ending this one", asking)
            os.kill(os.getpid(), signal.SIGTERM)
            return

    threading.Thread(target=watch, name="handed_over_on_request", daemon=True).start()
    try:
        yield
    finally:
        over.set()
