import tempfile

import pytest

from puzzlecell.runtime import devices
from puzzlecell.runtime.process import this_process
from puzzlecell.runtime.run_record import RUN


def test_the_cpu_needs_no_lock():
    with devices.one_device("cpu") as first, devices.one_device("cpu") as second:
        assert first == second == "cpu"


def test_no_silent_fall_back_to_the_cpu(monkeypatch):
    monkeypatch.setattr(devices, "_cuda_devices", lambda: 0)
    with devices.one_device("auto") as device:
        assert device == "cpu"
    with pytest.raises(devices.DeviceError, match="finds no CUDA device"), devices.one_device("cuda"):
        pass


def test_jobs_take_different_gpus_and_wait_for_a_free_one(monkeypatch, tmp_path):
    monkeypatch.setattr(devices, "_cuda_devices", lambda: 2)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with devices.one_device("auto") as first:
        with devices.one_device("auto") as second:
            assert {first, second} == {"cuda:0", "cuda:1"}
            waited = []

            def free_one(seconds):
                waited.append(seconds)
                raise TimeoutError

            monkeypatch.setattr(devices.time, "sleep", free_one)
            with pytest.raises(TimeoutError), devices.one_device("auto"):
                pass
            assert waited == [5.0]
        with devices.one_device("auto") as third:
            assert third == second


def test_a_job_on_several_gpus_takes_the_first_ones(monkeypatch, tmp_path):
    monkeypatch.setattr(devices, "_cuda_devices", lambda: 3)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with devices.one_device("auto", gpus=2) as both, devices.one_device("auto") as other:
        assert (both, other) == ("cuda", "cuda:2")
    too_many = pytest.raises(devices.DeviceError, match="compute.gpus is 4, but this machine has 3")
    with too_many, devices.one_device("auto", gpus=4):
        pass
    with devices.one_device("cpu", gpus=4) as device:
        assert device == "cpu"


def test_an_error_of_the_job_is_passed_on(monkeypatch, tmp_path):
    monkeypatch.setattr(devices, "_cuda_devices", lambda: 1)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(BlockingIOError), devices.one_device("auto"):
        raise BlockingIOError


@pytest.mark.parametrize(
    ("wanted", "available", "problem"),
    [
        (("cpu", 4), 0, None),
        (("auto", 1), 0, None),
        (("auto", 4), 0, None),
        (("auto", 4), 2, "compute.gpus is 4, but this machine has 2 GPU(s); set it to at most 2"),
        (("cuda", 1), 2, None),
        (("cuda", 1), 0, "gpu is cuda, but PyTorch finds no CUDA device; set gpu to auto or cpu"),
    ],
)
def test_a_missing_device_is_known_before_a_job_asks_for_it(monkeypatch, wanted, available, problem):
    monkeypatch.setattr(devices, "_cuda_devices", lambda: available)
    assert devices.device_problem(*wanted) == problem


def test_gpus_that_slurm_gave_to_a_job_are_its_own(monkeypatch, tmp_path):
    """SLURM numbers the GPUs of each job from 0: a lock would keep jobs on one node from each other's numbers."""
    monkeypatch.setattr(devices, "_cuda_devices", lambda: 1)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("SLURM_JOB_GPUS", "3")
    with devices.one_device("auto") as first, devices.one_device("auto") as second:
        assert first == second == "cuda:0"


def test_a_local_run_inside_an_allocation_shares_out_its_gpus(monkeypatch, tmp_path):
    monkeypatch.setattr(devices, "_cuda_devices", lambda: 2)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("SLURM_JOB_GPUS", "2,3")
    monkeypatch.setenv(RUN, this_process().as_json())
    with devices.one_device("auto") as first, devices.one_device("auto") as second:
        assert {first, second} == {"cuda:0", "cuda:1"}
