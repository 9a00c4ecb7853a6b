"""Stopping on request: a signal asks for the end, the training saves its state and leaves."""

import logging
import multiprocessing
import os
import signal
import threading

log = logging.getLogger(__name__)

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopRequest:
    """While open, SIGTERM and SIGINT set `signal_number` instead of ending the process.

    With `forward` they are also passed on to this process's children, which do the work when there are
    several GPUs. A second signal ends the process at once.
    """

    def __init__(self, forward: bool = False):
        self.forward = forward
        self.signal_number: int | None = None
        self._before: dict[int, object] = {}

    def __enter__(self) -> "StopRequest":
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(self, *_) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame) -> None:
        if self.signal_number is not None:
            raise SystemExit(128 + number)
        self.signal_number = number
        log.info("%s: saving the state and stopping", signal.Signals(number).name)
        if self.forward:
            for child in multiprocessing.active_children():
                os.kill(child.pid, number)

    def exit(self) -> SystemExit:
        """The exception that ends the process with the code customary for the signal, 143 for SIGTERM."""
        return SystemExit(128 + (self.signal_number or signal.SIGTERM))


def ignore_signals() -> None:
    """Leave stopping to the parent: for worker processes, which get its signals as well."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
