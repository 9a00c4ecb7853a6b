"""Graceful shutdown: on SIGTERM or SIGINT, save and exit."""

import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

log = logging.getLogger(__name__)

SIGNALS = (signal.SIGTERM, signal.SIGINT)

Handler = Callable[[int, FrameType | None], Any] | int | None
"""What the signal module takes and gives as a handler."""


class StopRequest:
    """While entered, SIGTERM and SIGINT set `signal_number` instead of ending the process.

    With `forward` they are also sent to this process's children, which do the work when there are several GPUs. A
    second signal ends the process at once.
    """

    def __init__(self, forward: bool = False):
        self.forward = forward
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
            raise SystemExit(128 + number)
        self.signal_number = number
        log.info("%s: saving the state and stopping", signal.Signals(number).name)
        if self.forward:
            for child in multiprocessing.active_children():
                assert child.pid is not None, "an active child has been started"
                os.kill(child.pid, number)

    def exit(self) -> SystemExit:
        """The exception that ends the process with the exit code customary for the signal, 143 for SIGTERM."""
        return SystemExit(128 + (self.signal_number or signal.SIGTERM))


def ignore_signals() -> None:
    """Ignore SIGTERM and SIGINT: for worker processes, whose parent stops them."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
