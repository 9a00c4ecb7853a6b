"""A process as others know it, also after its end: whether it still runs."""

import json
import os
import signal
import socket
import subprocess
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class Process:
    """A process, described such that no other one is taken for it: the system uses process numbers again."""

    host: str
    """Name of the machine."""
    boot: str
    """Changes whenever the machine starts; empty where the system does not tell."""
    namespace: str
    """Set of process numbers, which containers have of their own; empty where the system does not tell."""
    pid: int
    """Process number."""
    started: str
    """When it started, in the unit of the system."""

    def as_json(self) -> str:
        """Return the process as one line of JSON, for `process_of`."""
        return json.dumps(asdict(self))

    def alive(self) -> bool | None:
        """Whether the process runs; None if that cannot be seen from here (another machine or container)."""
        if self.boot != _boot():
            return False if self.host == socket.gethostname() else None
        if self.namespace != _namespace() or (not self.boot and self.host != socket.gethostname()):
            return None
        return start_time(self.pid) == self.started

    def kill(self) -> None:
        """End the process at once, if it is still the same one; raises PermissionError if it is another user's."""
        if self.alive():
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def ends_within(self, seconds: float) -> bool:
        """Wait for the end of the process; return whether it has ended."""
        until = time.monotonic() + seconds
        while self.alive():
            if time.monotonic() > until:
                return False
            time.sleep(0.05)
        return True


def this_process() -> Process:
    """Return the process that calls this function."""
    pid = os.getpid()
    return Process(socket.gethostname(), _boot(), _namespace(), pid, start_time(pid) or "")


def process_of(content: object) -> Process | None:
    """Return the process that `Process.as_json`, or the dict in it, describes; None for anything else."""
    try:
        given = json.loads(content) if isinstance(content, str) else content
        return Process(**given) if isinstance(given, dict) else None
    except (ValueError, TypeError):
        return None


def start_time(pid: int) -> str | None:
    """Return when a process of this machine started; None if there is none, or it has ended and left its number."""
    if Path("/proc/self/stat").exists():
        try:
            # The name of the program, in parentheses, may contain anything.
            state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except (OSError, ValueError):
            return None
        return None if state in "ZX" else fields[18]
    told = subprocess.run(
        ["ps", "-o", "state=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    state, _, started = told.stdout.strip().partition(" ")
    return None if not started or state.startswith("Z") else started.strip()


@cache
def _boot() -> str:
    """ID that Linux draws when the machine starts."""
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text().strip() if path.exists() else ""


@cache
def _namespace() -> str:
    path = Path("/proc/self/ns/pid")
    return str(path.readlink()) if path.is_symlink() else ""
