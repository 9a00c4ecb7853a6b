"""Graceful shutdown: on SIGTERM or SIGINT, save a checkpoint and exit."""

import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

log = logging.getLogger(__name__)

SIGNALS = (signal.SIGTERM, signal.SIGINT)

Handler = Callable[[int, FrameType | None], Any] | int | None
"""Type of a handler in the signal module."""


class StopRequest:
    """Context manager in which SIGTERM and SIGINT set `signal_number` instead of ending the process.

    forward: also send them to the child processes, which do the work when there are several GPUs. A second signal ends
    the process immediately, unless it comes within `same_s` seconds: a batch system and a terminal send theirs to all
    processes, so that a child gets it from there and from its parent.
    """

    def __init__(self, forward: bool = False, same_s: float = 3.0):
        self.forward, self.same_s = forward, same_s
        self.noted_at = 0.0
        self.signal_number: int | None = None
        self._before: dict[int, Handler] = {}

    def __enter__(self) -> "StopRequest":
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.signal_number is not None:
            if time.monotonic() - self.noted_at < self.same_s:
                return
            raise SystemExit(128 + number)
        self.signal_number, self.noted_at = number, time.monotonic()
        log.info("%s received: saving a checkpoint, then stopping", signal.Signals(number).name)
        if self.forward:
            for child in multiprocessing.active_children():
                assert child.pid is not None, "an active child has been started"
                os.kill(child.pid, number)

    def exit(self) -> SystemExit:
        """Return the exception that ends the process with the usual exit code of the signal (143 for SIGTERM)."""
        return SystemExit(128 + (self.signal_number or signal.SIGTERM))


def ignore_signals() -> None:
    """Ignore SIGTERM and SIGINT in worker processes, which are stopped by their parent."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
