"""Number of available cores, and limits on the threads of a job."""

import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_assumed: int | None = None


def available_cores() -> int:
    """Number of cores that this process may run on, or those of the machine that a run is planned for."""
    if _assumed is not None:
        return _assumed
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def assumed_cores(cores: int) -> Iterator[None]:
    """Plan for a machine with this number of cores inside the block."""
    global _assumed
    before, _assumed = _assumed, cores
    try:
        yield
    finally:
        _assumed = before


@contextmanager
def limited_threads(threads: int, opencv: int | None = None) -> Iterator[None]:
    """Limit OpenCV, BLAS and PyTorch to a number of threads inside the block; restore the previous numbers afterwards.

    opencv: a different number for OpenCV. PyTorch is limited only if it is already imported.
    """
    from threadpoolctl import threadpool_limits  # imported here because planning needs this module too

    before = _numbers()
    with threadpool_limits(threads, user_api="blas"):
        set_threads(threads, opencv)
        try:
            yield
        finally:
            set_threads(before["torch"], before["opencv"])


def in_order(work: Callable[[Item], Result], items: Iterable[Item], threads: int) -> Iterator[Result]:
    """Yield `work(item)` of each item in order, computed by parallel threads.

    At most two items per thread are in work or wait for the caller, so that their results do not fill the memory
    (`ThreadPoolExecutor.map` starts all items at once). An error of `work` is raised in its turn; the items that have
    not been started are then dropped.
    """
    if threads == 1:
        yield from map(work, items)
        return
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) >= 2 * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def set_threads(threads: int | None, opencv: int | None = None) -> None:
    """Set the number of threads of OpenCV and PyTorch in this process; None leaves it unchanged."""
    import cv2

    opencv = threads if opencv is None else opencv
    if opencv is not None:
        cv2.setNumThreads(opencv)
    if threads is not None and "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)


def use_one_thread() -> None:
    """Limit this process to one thread in every library from now on: for worker processes."""
    from threadpoolctl import threadpool_limits

    set_threads(1)
    threadpool_limits(1)


def _numbers() -> dict[str, int | None]:
    import cv2

    torch = sys.modules.get("torch")
    return {"opencv": cv2.getNumThreads(), "torch": torch.get_num_threads() if torch else None}
