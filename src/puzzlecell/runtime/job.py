"""What every job of the workflow does first: its output goes to a log, its progress to log and terminal."""

import json
import logging
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

Progress = Callable[..., None]


@contextmanager
def job(
    title: str, log_path: str | os.PathLike, settings: Mapping[str, Any] | None = None
) -> Iterator[Progress]:
    """Send all output of the block to the log and yield a function that reports progress.

    File descriptors 1 and 2 are turned over, so that messages of worker processes and of CUDA land in the log too.
    The first lines of the log are versions and configuration. The yielded function is called as
    `progress(done, total, text="")`; lines `title: done/total text` go to the log and to the terminal, at most one
    each five seconds there. An error shows its message on the terminal, and its traceback in the log.
    """
    Path(log_path).parent.mkdir(parents=True, exist_ok=True)
    terminal = os.fdopen(os.dup(2), "w", buffering=1)
    # Appended, since a job that goes on where it stopped should not lose the account of its first part.
    with Path(log_path).open("a", buffering=1) as log_file:
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(log_file.fileno(), 1)
        os.dup2(log_file.fileno(), 2)
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO,
        format="%(asctime)s %(name)s: %(message)s",
        datefmt="%H:%M:%S",
        force=True,
    )
    logging.captureWarnings(True)
    log.info(
        "%s; puzzlecell %s, Python %s, %s",
        title,
        version("puzzlecell"),
        platform.python_version(),
        platform.platform(),
    )
    if settings is not None:
        log.info("settings: %s", json.dumps(settings, default=str))
    started = time.monotonic()
    try:
        yield _Reporter(title, terminal)
    except SystemExit:
        print(f"{title}: stopped; start it again and it goes on", file=terminal)
        raise
    except Exception as error:
        log.exception("%s failed", title)
        print(f"{title}: {type(error).__name__}: {error}\n{title}: see {log_path}", file=terminal)
        sys.exit(1)
    log.info("%s: done in %.1f s", title, time.monotonic() - started)


class _Reporter:
    """Counted lines: all of the first and last, between them as often as is bearable."""

    def __init__(self, title: str, terminal, every_s: float = 5.0):
        self.title, self.terminal, self.every_s = title, terminal, every_s
        self.started = self.last = time.monotonic()

    def __call__(self, done: int, total: int, text: str = "") -> None:
        now = time.monotonic()
        if done < total and now - self.last < self.every_s and not text:
            return
        self.last = now
        elapsed = now - self.started
        left = f", {elapsed / done * (total - done):.0f} s left" if 0 < done < total else ""
        line = f"{self.title}: {done}/{total} {text}".rstrip() + f" ({elapsed:.0f} s{left})"
        log.info("%s", line)
        print(line, file=self.terminal, flush=True)
