"""The claim of a job: a file that its process holds as long as it lives, so that no second one writes the same files.

A run that was killed alone (`kill -9`, out of memory) leaves its jobs behind as orphans. Whoever starts such a job
again finds its claim held, waits for the orphan's end and goes on from its saved state.
"""

import errno
import fcntl
import json
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass
from io import FileIO
from pathlib import Path

from puzzlecell.errors import UserError
from puzzlecell.runtime.handover import handed_over, request, request_path
from puzzlecell.runtime.process import Process, process_of, this_process
from puzzlecell.runtime.run_record import run_of_this_job
from puzzlecell.runtime.slurm import place

log = logging.getLogger(__name__)

SUFFIX = ".claim"
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
GRACE_S = 30.0
"""Time in which a training saves its state."""


class ClaimError(UserError):
    """A job that another process is working on."""


@dataclass(frozen=True)
class Holder:
    """What a claim file says about the process that holds it."""

    process: Process
    run: Process | None = None
    """Snakemake's process on the same machine that started the job; None for jobs of a cluster."""
    slurm_job_id: str | None = None
    slurm_restart_count: str | None = None

    @classmethod
    def here(cls) -> "Holder":
        """Return what this process writes into its claims."""
        return cls(
            this_process(),
            run_of_this_job(),
            os.environ.get("SLURM_JOB_ID"),
            os.environ.get("SLURM_RESTART_COUNT"),
        )

    @property
    def is_orphan(self) -> bool:
        """Whether the process runs on this machine and the run that started it has been killed."""
        return bool(self.process.alive()) and self.run is not None and self.run.alive() is False

    def __str__(self) -> str:
        slurm = f", SLURM job {self.slurm_job_id}" if self.slurm_job_id else ""
        return f"process {self.process.pid} on {self.process.host}{slurm}"


def claim_path(log_path: Path) -> Path:
    """Path of the claim of the job with this log."""
    return log_path.with_name(f".{log_path.name}{SUFFIX}")


@contextmanager
def claimed(
    path: Path | None,
    say: Callable[[str], object] = log.warning,
    *,
    grace_s: float = GRACE_S,
    patience_s: float = 120.0,
    handover: bool | None = None,
) -> Iterator[None]:
    """Hold a claim inside the block; None claims nothing.

    An orphan that holds it has `grace_s` seconds to end by itself (`ended_with_run`), and is then killed. Other holders
    are waited for. handover: they are asked to end, because they may be the first copy of a requeued job, and this
    process ends when another one asks it, or takes the claim; None: in jobs of SLURM. say: called with what is waited
    for. The file is locked with a POSIX lock: it works on NFS, child processes do not inherit it, and it ends with the
    process. Where the file system knows no locks, the process that the file names is looked up instead; one on another
    machine, which cannot be seen, counts as alive until `patience_s` is over.
    Raises ClaimError if another run is working on the job, or its holder does not end within `patience_s` seconds.
    """
    if path is None:
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    handover = place() is not None if handover is None else handover
    with _taken(path, say, grace_s, patience_s, handover) as file:
        try:
            file.truncate(0)
            try:
                file.write(f"{json.dumps(asdict(Holder.here()))}\n".encode())
            except OSError as error:
                # The lock holds without it, and the job says more about a full disk.
                log.warning("%s: %s", path, error.strerror)
            with handed_over(path, file) if handover else nullcontext():
                yield
        finally:
            # Removed while it is locked: whoever has opened it already notices that, and makes a new one.
            path.unlink(missing_ok=True)


def end_orphans(folder: str | os.PathLike, grace_s: float = GRACE_S) -> list[str]:
    """End all orphans that hold a claim below a folder; return what was found.

    Claims of processes that have ended are removed. grace_s: as for `claimed`.
    """
    claims = {path: read_holder(path) for path in sorted(Path(folder).rglob(f".*{SUFFIX}"))}
    until = time.monotonic() + grace_s
    said = []
    for path, holder in claims.items():
        if holder is not None and holder.is_orphan:
            ended = "has been ended" if _end(holder, until) else "belongs to another user and cannot be ended"
            log_path = path.with_name(path.name[1:].removesuffix(SUFFIX))
            said.append(f"{log_path}: {holder} was still running after its run had been killed; it {ended}")
        # On other machines, a file system without locks does not tell whether the holder lives.
        if holder is None or holder.process.alive() is False:
            with suppress(OSError), path.open("ab+", buffering=0) as file:
                if _take(path, file):
                    path.unlink(missing_ok=True)
                    request_path(path).unlink(missing_ok=True)
    return said


def _end(orphan: Holder, until: float) -> bool:
    """Give an orphan until a time to save its state and end, then kill it; return whether it has ended."""
    try:
        if not orphan.process.ends_within(until - time.monotonic()):
            orphan.process.kill()
    except PermissionError:
        return False
    return orphan.process.ends_within(10.0)


def read_holder(path: Path) -> Holder | None:
    """Return who holds a claim, or held it when it was killed; None if there is no such file, or it does not tell."""
    try:
        return _holder(path.read_bytes())
    except (OSError, ValueError):
        return None


def _taken(
    path: Path, say: Callable[[str], object], grace_s: float, patience_s: float, handover: bool
) -> FileIO:
    """Open and lock a claim as soon as its holder has ended."""
    until = time.monotonic() + patience_s
    waiting, asked = False, -float("inf")
    while True:
        file = path.open("ab+", buffering=0)
        if _take(path, file, unseen_ended=time.monotonic() > until):
            return file
        file.close()
        holder = read_holder(path)
        if holder is not None and holder.is_orphan:
            say(f"{holder} is still running after its run was killed; ending it")
            if not _end(holder, time.monotonic() + grace_s):
                raise ClaimError(f"{holder} cannot be ended: it belongs to another user; ask them to end it")
        elif holder is not None and holder.run is not None and holder.run.alive():
            raise ClaimError(
                f"another run is working on this job ({holder}, started by process {holder.run.pid}); wait for it or "
                "stop it, then start again"
            )
        elif time.monotonic() > until:
            raise ClaimError(
                f"{holder or 'another process'} is still working on this job; stop it, then start again"
            )
        elif holder is not None and not waiting:
            say(f"waiting for {holder}, which is still working on this job")
            waiting = True
        # Again and again, since the holder may just have removed an earlier request.
        if handover and time.monotonic() - asked > 5.0:
            asked = time.monotonic()
            with suppress(OSError):
                request(path, str(Holder.here()))
        time.sleep(0.05)


def _take(path: Path, file: FileIO, *, unseen_ended: bool = False) -> bool:
    """Lock a claim if nobody holds it; return whether it is now held.

    unseen_ended: whether a process that cannot be seen from here has ended, where the file system knows no locks.
    """
    locked = True
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            if error.errno in (errno.EAGAIN, errno.EACCES):
                return False
            raise
        locked = False
    try:
        if not os.path.samestat(path.stat(), os.fstat(file.fileno())):
            return False
    except FileNotFoundError:
        return False
    file.seek(0)
    last = _holder(file.read())
    if last is None or last.process == this_process():
        return True
    alive = last.process.alive()
    return not alive if alive is not None else locked or unseen_ended


def _holder(content: bytes) -> Holder | None:
    try:
        given = json.loads(content)
        process = process_of(given.pop("process"))
        return Holder(process, process_of(given.pop("run")), **given) if process else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
