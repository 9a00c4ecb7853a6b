"""Progress of a long job: a bar on a terminal, counted lines in a log otherwise."""

import logging
import sys
import time
from collections.abc import Callable

from tqdm import tqdm

log = logging.getLogger(__name__)

Progress = Callable[..., None]


def default_progress(title: str, every_s: float = 10.0) -> Progress:
    """A function to be called as `progress(done, total, text="")`; lines with a text are always shown."""
    if sys.stderr.isatty():
        return _Bar(title)
    return _Lines(title, every_s)


class _Bar:
    def __init__(self, title: str):
        self.bar = tqdm(desc=title)

    def __call__(self, done: int, total: int, text: str = "") -> None:
        self.bar.total = total
        if text:
            self.bar.write(f"{self.bar.desc}: {done}/{total} {text}", file=sys.stderr)
        self.bar.update(done - self.bar.n)
        if done >= total:
            self.bar.close()


class _Lines:
    def __init__(self, title: str, every_s: float):
        self.title, self.every_s = title, every_s
        self.shown = time.monotonic()

    def __call__(self, done: int, total: int, text: str = "") -> None:
        now = time.monotonic()
        if text or done >= total or now - self.shown >= self.every_s:
            self.shown = now
            log.info("%s: %d/%d %s", self.title, done, total, text)
