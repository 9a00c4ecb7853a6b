import subprocess
import sys

import cv2
import pytest
import torch
from threadpoolctl import threadpool_info

from puzzlecell.runtime import threads
from puzzlecell.runtime.threads import available_cores, in_order, limited_threads


def blas_threads():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


@pytest.fixture
def two_threads():
    before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(2)
    cv2.setNumThreads(2)
    yield
    torch.set_num_threads(before[0])
    cv2.setNumThreads(before[1])


@pytest.mark.parametrize(("opencv", "expected"), [(None, 1), (2, 2)])
def test_every_library_is_limited_and_restored(two_threads, opencv, expected):
    blas = blas_threads()
    with limited_threads(1, opencv):
        assert (torch.get_num_threads(), cv2.getNumThreads()) == (1, expected)
        assert blas_threads() <= {1}
    assert (torch.get_num_threads(), cv2.getNumThreads()) == (2, 2)
    assert blas_threads() == blas


def test_threads_are_restored_after_an_error(two_threads):
    with pytest.raises(ValueError, match="stop"), limited_threads(1):
        raise ValueError("stop")
    assert (torch.get_num_threads(), cv2.getNumThreads()) == (2, 2)


def test_a_job_without_pytorch_does_not_import_it():
    code = (
        "import sys; from puzzlecell.runtime.threads import limited_threads\n"
        "with limited_threads(1): print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]


def test_cores_are_those_of_this_process(monkeypatch):
    monkeypatch.setattr(threads.os, "sched_getaffinity", lambda _: {3, 5, 7}, raising=False)
    assert available_cores() == 3
    monkeypatch.delattr(threads.os, "sched_getaffinity")
    monkeypatch.setattr(threads.os, "cpu_count", lambda: 8)
    assert available_cores() == 8


@pytest.mark.parametrize("count", [1, 3])
def test_results_come_in_order_and_few_wait(count):
    started = []

    def work(item):
        started.append(item)
        return item * item

    taken = []
    for result in in_order(work, iter(range(50)), count):
        taken.append(result)
        assert len(started) - len(taken) < 2 * count
    assert taken == [item * item for item in range(50)]


@pytest.mark.parametrize("count", [1, 3])
def test_an_error_comes_in_its_turn_and_ends_the_work(count):
    started = []

    def work(item):
        started.append(item)
        if item == 5:
            raise ValueError("five")
        return item

    taken = []
    with pytest.raises(ValueError, match="five"):
        taken.extend(in_order(work, range(100), count))
    assert taken == [0, 1, 2, 3, 4]
    assert len(started) <= 5 + 2 * count
