"""Choice of a job's device: an exclusive CUDA device, or the CPU."""

import fcntl
import logging
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

log = logging.getLogger(__name__)


@contextmanager
def one_device(gpu: str, gpus: int = 1, patience_s: float = 5.0) -> Iterator[str]:
    """Yield the device of this job (`cpu`, `cuda:0`, ...) and lock it against other jobs on this machine.

    gpu: `cpu`, `cuda`, or `auto` for a CUDA device if there is one, else the CPU. gpus: number of devices that the job
    uses; with more than one, the first devices are locked and `cuda` is yielded. patience_s: seconds between attempts.
    Snakemake does not assign GPUs to local jobs, so jobs do this themselves with file locks; a job waits while all GPUs
    are locked.
    Raises RuntimeError for `cuda` on a machine without a CUDA device, and if more GPUs are requested than available.
    """
    available = 0 if gpu == "cpu" else _cuda_devices()
    if available == 0:
        if gpu == "cuda":
            raise RuntimeError("gpu is cuda, but PyTorch finds no CUDA device; set gpu to auto or cpu")
        log.info("device: cpu")
        yield "cpu"
    elif gpus > available:
        raise RuntimeError(
            f"compute.gpus is {gpus}, but this machine has {available} GPU(s); set it to at most {available}"
        )
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


def _cuda_devices() -> int:
    import torch  # imported here because a job on the CPU may not need PyTorch

    return torch.cuda.device_count()


@contextmanager
def _first_free(numbers: Sequence[int], patience_s: float) -> Iterator[int]:
    """Lock the first free GPU among `numbers`; wait until there is one."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "all").replace(",", "-")
    folder = Path(tempfile.gettempdir()) / f"puzzlecell-gpu-{os.getuid()}"
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
