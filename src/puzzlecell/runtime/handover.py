"""Handing over a job on a cluster: the first copy of a requeued job ends when the second one asks for it.

SLURM starts a job again when it loses its node, which may be alive and go on working, out of SLURM's reach.
"""

import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

log = logging.getLogger(__name__)


def request_path(claim: Path) -> Path:
    """Path of the request to hand over the job with this claim."""
    return claim.with_name(f"{claim.name}.wanted")


def request(claim: Path, asking: str) -> None:
    """Ask the holder of a claim to end; asking: who asks, as text."""
    request_path(claim).write_text(asking, encoding="utf-8")


@contextmanager
def handed_over(claim: Path, held: FileIO, every_s: float = 2.0) -> Iterator[None]:
    """Inside the block, in which this process holds a claim, send it SIGTERM once another one asks for it or has it.

    Another one has it if the lock was lost, as after a failure of the network. A training saves its state and ends.
    held: the claim, open and written. every_s: seconds between two looks. Earlier requests are removed.
    """
    over, path = threading.Event(), request_path(claim)
    path.unlink(missing_ok=True)
    mine = _content(held)

    def lost() -> bool:
        try:
            # By another descriptor, closing it would end the lock.
            return _content(held) != mine or not os.path.samestat(claim.stat(), os.fstat(held.fileno()))
        except OSError:
            return True

    def watch() -> None:
        while not over.wait(every_s):
            with suppress(OSError):
                asking = path.read_text(encoding="utf-8")
                log.warning("another copy of this job has been started (%s): ending this one", asking)
                break
            if lost():
                log.warning("another copy of this job has been started and has taken over: ending this one")
                break
        else:
            return
        if not over.is_set():
            os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="handed_over", daemon=True).start()
    try:
        yield
    finally:
        over.set()


def _content(file: FileIO) -> bytes:
    return os.pread(file.fileno(), 1 << 16, 0)
