"""Runs that are stopped, and what they leave behind."""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

SUBMISSION = "results/submission.csv"
# Without these, the training of stage 3 and all that follows from it is made again.
LAST_JOBS = (
    "models/tiny/stage3",
    "step1/test/tiny.stage3",
    "step2/test/tiny.stage3",
    "cells",
    "submission.csv",
    "submission.csv.checksum",
)
SHARED_MEMORY = Path("/dev/shm")
# No run of the tiny configuration takes so long; one that does hangs.
LONGEST_S = 600.0


class Watched:
    """A project whose runs have temporary folders, caches and a session of processes of their own."""

    def __init__(self, project, folder: Path):
        self.project, self.folder = project, folder
        self.temporary, self.cache, self.output = folder / "tmp", folder / "cache", folder / "output.txt"
        self.temporary.mkdir()
        self.shared_memory = files(SHARED_MEMORY)
        self.sessions: set[int] = set()

    @property
    def results(self) -> Path:
        return self.project.folder / "results"

    @property
    def submission(self) -> bytes:
        return (self.project.folder / SUBMISSION).read_bytes()

    @property
    def shown(self) -> str:
        """What the last run has shown so far."""
        return self.output.read_text()

    def start(self, *arguments: str, output: Path | None = None) -> subprocess.Popen:
        """Start a run in a session of its own, so that a signal can reach all its processes."""
        environment = {
            **self.project.environment,
            "TMPDIR": str(self.temporary),
            "XDG_CACHE_HOME": str(self.cache),
        }
        with (output or self.output).open("w") as terminal:
            process = subprocess.Popen(
                self.project.command(*(arguments or (SUBMISSION,))),
                cwd=self.project.folder,
                env=environment,
                stdout=terminal,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                # Shells ignore it for what they start in the background, and children inherit that.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )
        self.sessions.add(process.pid)
        return process

    def run(self, *arguments: str) -> int:
        """Run to the end and return the exit status; unlock before if the last run was killed."""
        if any((self.project.folder / ".snakemake/locks").glob("*")):
            assert self.status(self.start("--unlock", *arguments)) == 0, self.shown
        return self.status(self.start(*arguments))

    def status(self, process: subprocess.Popen, seconds: float = LONGEST_S) -> int:
        """Exit status of a run at its end; a run that hangs fails the test, which shows what it was at."""
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired as error:
            processes = [f"{pid}: {command_line(pid)}" for pid in self.processes()]
            raise AssertionError("\n".join([str(error), self.shown[-4000:], *processes])) from None

    def finish(self) -> None:
        """Run to the end, successfully."""
        assert self.run() == 0, self.shown[-4000:]

    def wait(self, process: subprocess.Popen, until: Callable[[], object]) -> None:
        """Wait until something is true of a run that goes on."""
        latest = time.monotonic() + LONGEST_S
        while not until():
            assert process.poll() is None, self.shown[-4000:]
            assert time.monotonic() < latest, self.shown[-4000:]
            time.sleep(0.01)

    def processes(self) -> list[int]:
        """Processes of all runs so far that have not ended."""
        return [pid for pid, session in sessions() if session in self.sessions]

    def assert_nothing_left(self) -> None:
        """Assert that no process, temporary file or unfinished output of any run is left."""
        settled(lambda: not self.processes(), f"these processes are left: {self.processes()}")
        left = [path.name for path in self.temporary.iterdir() if not path.name.startswith("torchinductor")]
        assert left == []
        assert files(self.cache / "snakemake/snakemake/source-cache/snakemake-runtime-cache") == set()
        assert files(self.project.folder / ".snakemake/scripts") == set()
        # Half-written files, claims and kept logs; Snakemake marks whole folders with a hidden file.
        hidden = {str(path) for path in self.results.rglob(".*") if path.name != ".snakemake_timestamp"}
        assert hidden == set()
        assert not list(self.results.rglob("last.ckpt"))
        settled(lambda: files(SHARED_MEMORY) <= self.shared_memory, "shared memory is left")

    def end(self) -> None:
        """End what a failed test has left running."""
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)


@contextmanager
def watched(project) -> Iterator[Watched]:
    """Watch a project; its temporary folder has a short path, so that sockets of worker processes fit into it."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        runs = Watched(project, Path(folder))
        try:
            yield runs
        finally:
            runs.end()


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


def command_line(pid: int) -> str:
    """Command line of a process; empty if it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def sessions() -> Iterator[tuple[int, int]]:
    """Number and session of each process that has not ended."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, session, *_ = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if state not in "ZX":
            yield int(path.parent.name), int(session)


def settled(reached: Callable[[], object], problem: str, seconds: float = 60.0) -> None:
    """Assert that something becomes true before long."""
    until = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < until, problem
        time.sleep(0.05)
