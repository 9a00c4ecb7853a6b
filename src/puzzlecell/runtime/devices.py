"""Choice of a job's device: an exclusive CUDA device, or the CPU."""

import fcntl
import logging
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from puzzlecell.errors import UserError
from puzzlecell.runtime.run_record import run_of_this_job
from puzzlecell.runtime.slurm import given_gpus
from puzzlecell.runtime.temporary import shared_temporary_folder

log = logging.getLogger(__name__)


class DeviceError(UserError):
    """The device that a job is to use does not exist on this machine."""


@contextmanager
def one_device(gpu: str, gpus: int = 1, patience_s: float = 5.0) -> Iterator[str]:
    """Yield the device of this job (`cpu`, `cuda:0`, ...) and lock it against other jobs on this machine.

    gpu: `cpu`, `cuda`, or `auto` for a CUDA device if there is one, else the CPU. gpus: number of devices that the job
    uses; with more than one, the first devices are locked and `cuda` is yielded. patience_s: seconds between attempts.
    Snakemake does not assign GPUs to local jobs, so jobs do this themselves with file locks; a job waits while all GPUs
    are locked. A job that SLURM has started with GPUs of its own locks none.
    Raises DeviceError for `cuda` on a machine without a CUDA device, and if more GPUs are requested than available.
    """
    available = 0 if gpu == "cpu" else _cuda_devices()
    problem = _problem(gpu, gpus, available)
    if problem:
        raise DeviceError(problem)
    if available == 0:
        log.info("device: cpu")
        yield "cpu"
    elif given_gpus() is not None and run_of_this_job() is None:
        log.info("device: %s", "cuda:0" if gpus == 1 else f"{gpus} GPUs")
        yield "cuda:0" if gpus == 1 else "cuda"
    elif gpus > 1:
        with ExitStack() as held:
            # Locked in the order of their numbers, so that two multi-GPU jobs cannot deadlock.
            for number in range(gpus):
                held.enter_context(_first_free([number], patience_s))
            log.info("device: %d GPUs", gpus)
            yield "cuda"
    else:
        with _first_free(range(available), patience_s) as number:
            log.info("device: cuda:%d", number)
            yield f"cuda:{number}"


def device_problem(gpu: str, gpus: int = 1) -> str | None:
    """Say why no job can get its device on this machine; None if it can. Arguments as for `one_device`."""
    if gpu == "cpu" or (gpu == "auto" and gpus <= 1):
        return None
    return _problem(gpu, gpus, _cuda_devices())


def _problem(gpu: str, gpus: int, available: int) -> str | None:
    if available == 0:
        wanted = "gpu is cuda, but PyTorch finds no CUDA device; set gpu to auto or cpu"
        return wanted if gpu == "cuda" else None
    if gpus > available:
        return (
            f"compute.gpus is {gpus}, but this machine has {available} GPU(s); set it to at most {available}"
        )
    return None


def _cuda_devices() -> int:
    import torch  # imported here because a job on the CPU may not need PyTorch

    return torch.cuda.device_count()


@contextmanager
def _first_free(numbers: Sequence[int], patience_s: float) -> Iterator[int]:
    """Lock the first free GPU among `numbers`; wait until there is one."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "all").replace(",", "-")
    folder = shared_temporary_folder() / f"puzzlecell-gpu-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    waiting = False
    while True:
        for number in numbers:
            with (folder / f"{visible}.{number}.lock").open("w") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                yield number
                return
        if not waiting:
            log.info("GPU(s) %s are in use by other jobs; waiting for one", list(numbers))
            waiting = True
        time.sleep(patience_s)
