"""Rate-limited progress reports of long jobs."""

import json
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TextIO

from puzzlecell.runtime.atomic import written_whole

log = logging.getLogger(__name__)

STATUS_FOLDER = "PUZZLECELL_PROGRESS"
"""Environment variable with the folder in which a display expects the status files of all jobs."""
STATUS_FILE = "PUZZLECELL_STATUS_FILE"
"""Environment variable with the path of this job's status file, which the display reads."""


def status_path(folder: str | os.PathLike, log_path: str | os.PathLike) -> Path:
    """Path of the status file of the job with this log.

    Job and display may name a log in a bucket differently, but not what follows `results`.
    """
    parts = Path(log_path).parts
    last = len(parts) - 1 - parts[::-1].index("results") if "results" in parts else 0
    return Path(folder, f"{'%2F'.join(parts[last:]).replace('/', '')}.json")


class Progress(Protocol):
    """Called with the number of steps done and the total; reports with a text are always shown."""

    def __call__(self, done: int, total: int, text: str = "") -> None: ...


def no_progress(done: int, total: int, text: str = "") -> None:
    """Report nothing."""


class Reporter:
    """Writes rate-limited progress lines to the log, and to a status file or a terminal.

    title: prefix of all lines. terminal: stream for the user, in addition to the log. status: file that the display
    reads (JSON with `title, done, total, text, elapsed, notes, warnings, error`); if given, the terminal is left to the
    display. Lines are written at most every `line_s` seconds, the status at most every `status_s` seconds; reports with
    a text and the last one are always written. clock: monotonic time in seconds.
    """

    def __init__(
        self,
        title: str,
        *,
        terminal: TextIO | None = None,
        status: str | os.PathLike | None = None,
        line_s: float = 5.0,
        status_s: float = 0.5,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.title, self.terminal = title, terminal
        self.status = Path(status) if status else None
        self.line_s, self.status_s, self.clock = line_s, status_s, clock
        self.started = self.last_line = clock()
        self.last_status = -float("inf")
        self.state: dict[str, Any] = {"title": title, "done": 0, "total": 0, "text": ""}
        self.state |= {"notes": [], "warnings": [], "error": None}

    def __call__(self, done: int, total: int, text: str = "") -> None:
        """Report that `done` of `total` steps are done."""
        now = self.clock()
        important = bool(text) or done >= total
        self.state |= {"done": int(done), "total": int(total)} | ({"text": text} if text else {})
        if important or now - self.last_status >= self.status_s:
            self._write_status()
        if important or now - self.last_line >= self.line_s:
            self.last_line = now
            self._line(progress_line(self.title, done, total, text, now - self.started))

    def say(self, text: str) -> None:
        """Show a line on the display that stays there, or else on the terminal; it also goes to the log."""
        self.state["notes"] = [*self.state["notes"], text]
        self._write_status()
        self._line(f"{self.title}: {text}")

    def warn(self, text: str) -> None:
        """Show a warning on the display, or else on the terminal; the log already contains it."""
        self.state["warnings"] = [*self.state["warnings"], text]
        self._write_status()
        self._show(f"{self.title}: {text}")

    def fail(self, text: str, log_path: str | os.PathLike | None) -> None:
        """Report the error that ends the job."""
        self.state["error"] = text
        self._write_status()
        self._show(f"{self.title}: {text}" + (f"\n{self.title}: see {log_path}" if log_path else ""))

    def _line(self, line: str) -> None:
        log.info("%s", line)
        self._show(line)

    def _show(self, line: str) -> None:
        if self.terminal is not None and self.status is None:
            print(line, file=self.terminal, flush=True)

    def _write_status(self) -> None:
        if self.status is None:
            return
        self.last_status = self.clock()
        with written_whole(self.status, durable=False) as temporary:
            temporary.write_text(json.dumps({**self.state, "elapsed": self.last_status - self.started}))


def progress_line(title: str, done: int, total: int, text: str, elapsed_s: float) -> str:
    """Format a progress line: `title: done/total text (elapsed, time left)`."""
    left = f", {elapsed_s / done * (total - done):.0f} s left" if 0 < done < total else ""
    return f"{title}: {done}/{total} {text}".rstrip() + f" ({elapsed_s:.0f} s{left})"


def default_progress(title: str) -> Reporter:
    """Reporter for a process that `job` did not set up: writes to the log, and to the job's status file if set."""
    return Reporter(title, status=os.environ.get(STATUS_FILE))
