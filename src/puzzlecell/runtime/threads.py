"""How much of a machine a run may use."""

import os
from collections.abc import Iterator
from contextlib import contextmanager


def machine_cores(asked: int | None) -> int | None:
    """`asked`, or the number of cores that this process may run on where that is less; None stays None."""
    if asked is None:
        return None
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(asked, available)


@contextmanager
def opencv_threads(threads: int) -> Iterator[None]:
    """Let OpenCV compute with so many threads, and restore what was set before; by itself it takes all cores."""
    import cv2  # here, since planning needs this module too

    before = cv2.getNumThreads()
    cv2.setNumThreads(threads)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
