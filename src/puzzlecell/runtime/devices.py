"""The device a job computes on: a CUDA device of its own, or the CPU."""

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
    """Yield the device of this job (`cpu`, `cuda:0`, ...) and keep other jobs of this machine off it for as long.

    gpu: `cpu`, `cuda`, or `auto` for a CUDA device where there is one, else the CPU. gpus: how many the job shares its
    work out to; with more than one, the first so many are taken and `cuda` is yielded. The scheduler of a laptop or
    workstation does not share out GPUs, so jobs do it by file locks; where all are taken, the job waits.
    Raises RuntimeError for `cuda` on a machine without one, and for more GPUs than there are.
    """
    available = 0 if gpu == "cpu" else _cuda_devices()
    if available == 0:
        if gpu == "cuda":
            raise RuntimeError(
                "gpu: cuda is configured, but PyTorch finds no CUDA device; use gpu: auto or cpu"
            )
        log.info("device: cpu")
        yield "cpu"
    elif gpus > available:
        raise RuntimeError(
            f"compute.gpus is {gpus}, but this machine has {available}; set it to {available} at most"
        )
    elif gpus > 1:
        with ExitStack() as held:
            # In the order of their numbers, so that two such jobs never wait for each other.
            for number in range(gpus):
                held.enter_context(_first_free([number], patience_s))
            log.info("device: %d GPUs", gpus)
            yield "cuda"
    else:
        with _first_free(range(available), patience_s) as number:
            log.info("device: cuda:%d", number)
            yield f"cuda:{number}"


def _cuda_devices() -> int:
    import torch  # here, since a job that stays on the CPU may need no PyTorch at all

    return torch.cuda.device_count()


@contextmanager
def _first_free(numbers: Sequence[int], patience_s: float) -> Iterator[int]:
    """Hold the lock of the first free GPU among `numbers`, waiting for one."""
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
            log.info("GPUs %s are taken by other jobs; waiting for one", list(numbers))
            waiting = True
        time.sleep(patience_s)
