"""What the log of a job says about its last attempt."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from puzzlecell.runtime.job import kept_log

_START = re.compile(r"; puzzlecell \S+, Python ")
_DONE = re.compile(r": done in \d+\.\d s$")
_FAILED = re.compile(r"^\d\d:\d\d:\d\d puzzlecell\.runtime\.job: .* failed(: |$)")


@dataclass(frozen=True)
class LastAttempt:
    """How the last attempt of a job ended, and what it said last.

    end: `done`, `failed` (with an error of its own) or `open` (it goes on, or was ended from outside: Ctrl-C, no
    memory, `kill`). line: the last line of the log; of an error, its first one.
    """

    end: Literal["done", "failed", "open"]
    line: str


def last_attempt(log_path: str | Path) -> LastAttempt | None:
    """Read the log of a job; None if no attempt has written anything.

    Snakemake deletes the log of a job when it starts it again; its second name (`runtime.job.kept_log`) is read then.
    """
    for path in (Path(log_path), kept_log(Path(log_path))):
        try:
            lines = [
                line
                for line in path.read_text(encoding="utf-8", errors="replace").splitlines()
                if line.strip()
            ]
        except OSError:
            continue
        if lines:
            return _last(lines)
    return None


def _last(lines: list[str]) -> LastAttempt:
    starts = [number for number, line in enumerate(lines) if _START.search(line)]
    lines = lines[starts[-1] :] if starts else lines
    failed = next((number for number, line in enumerate(lines) if _FAILED.search(line)), None)
    if failed is not None:
        # What follows an error that no user can mend is its traceback, whose last line says what it is.
        rest = lines[failed:]
        traceback = any(line.startswith("Traceback ") for line in rest)
        return LastAttempt("failed", rest[-1] if traceback else rest[0])
    done = any(_DONE.search(line) for line in lines)
    return LastAttempt("done" if done else "open", lines[-1])
