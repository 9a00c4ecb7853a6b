import os
import signal
import subprocess
import sys
import threading

import pytest

from puzzlecell.runtime.signals import StopRequest


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_noted_and_the_previous_handler_is_restored(number):
    before = signal.getsignal(number)
    with StopRequest() as stop:
        assert stop.signal_number is None
        os.kill(os.getpid(), number)
        assert stop.signal_number == number
        assert stop.exit().code == 128 + number
    assert signal.getsignal(number) is before


def test_the_same_signal_from_two_senders_counts_once():
    """SLURM and a terminal send it to a child, and so does its parent."""
    with StopRequest() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.signal_number == signal.SIGTERM


def test_a_second_signal_ends_the_process_immediately():
    with StopRequest(same_s=0.0):
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(SystemExit) as ended:
            os.kill(os.getpid(), signal.SIGTERM)
    assert ended.value.code == 143


def test_other_threads_leave_the_handlers_unchanged():
    before = signal.getsignal(signal.SIGTERM)
    inside = []

    def work():
        with StopRequest():
            inside.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert inside == [before]


FORWARDING = """
import multiprocessing, os, signal, sys
from puzzlecell.runtime.signals import StopRequest

def child(ready):
    with StopRequest() as stop:
        ready.set()
        while stop.signal_number is None:
            signal.pause()
    sys.exit(40 + stop.signal_number)

if __name__ == "__main__":
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    with StopRequest(forward=True):
        process = context.Process(target=child, args=(ready,))
        process.start()
        ready.wait()
        os.kill(os.getpid(), signal.SIGTERM)
        process.join()
    sys.exit(process.exitcode)
"""


def test_a_signal_is_forwarded_to_child_processes():
    assert subprocess.run([sys.executable, "-c", FORWARDING], check=False).returncode == 40 + signal.SIGTERM


IGNORING = """
import os, signal
from puzzlecell.runtime.signals import ignore_signals
ignore_signals()
os.kill(os.getpid(), signal.SIGTERM)
os.kill(os.getpid(), signal.SIGINT)
"""


def test_workers_ignore_signals():
    assert subprocess.run([sys.executable, "-c", IGNORING], check=False).returncode == 0
