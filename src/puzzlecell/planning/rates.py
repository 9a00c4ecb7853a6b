"""How long a job takes: by a rate measured in an earlier run, stated by the user, or from the table in the package."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from puzzlecell.planning.measured import MeasuredRun
from puzzlecell.planning.measured_rates import GFLOP_PER_SECOND, SECONDS
from puzzlecell.planning.work import Work
from puzzlecell.runtime.planned_jobs import PlannedJob

MEASURED, STATED, PACKAGE, NONE = "measured run", "stated", "package", "none"


@dataclass(frozen=True)
class Machine:
    """The machine of a run: cores and GPUs of each node, number of nodes, and most jobs at a time (None: no limit).

    wait_s: seconds that each job waits before it starts, such as in the queue of a cluster. tflops, tflops_inference:
    achieved speed of one GPU in training and in prediction, in 1e12 operations per second; None if unknown.
    """

    cores: int
    gpus: int = 0
    nodes: int = 1
    jobs: int | None = None
    wait_s: float = 0.0
    tflops: float | None = None
    tflops_inference: float | None = None


@dataclass(frozen=True)
class JobTime:
    """Seconds of a job and of its work without its start, None if a rate is missing.

    sources: where the rates come from. gpus: that it uses. missing: kinds of its work without a rate.
    """

    seconds: float | None
    work_s: float | None
    sources: frozenset[str]
    gpus: int
    missing: tuple[str, ...] = ()


def job_time(job: PlannedJob, work: Sequence[Work], machine: Machine, measured: MeasuredRun) -> JobTime:
    """Time of a job on a machine."""
    gpus = job.gpus if machine.gpus else 0
    threads = min(job.threads, machine.cores)
    start = SECONDS.get(f"start {job.script}", 0.0) if job.script else 0.0
    every = [_seconds(part, threads, gpus, machine, measured) for part in work]
    pairs = zip(work, every, strict=True)
    missing = tuple(dict.fromkeys(part.kind for part, (seconds, _) in pairs if seconds is None))
    worked = sum(seconds or 0.0 for seconds, _ in every)
    sources = frozenset(source for _, source in every)
    if missing:
        return JobTime(None, None, sources, gpus, missing)
    return JobTime(start + worked, worked, sources, gpus)


def _seconds(
    work: Work, threads: int, gpus: int, machine: Machine, measured: MeasuredRun
) -> tuple[float | None, str]:
    """Seconds of a part of a job and the source of its rate."""
    rate = measured.rates.get((work.kind, "cuda" if gpus else "cpu"))
    if rate is not None:
        return work.amount * rate.per_unit / (gpus or threads), MEASURED
    if work.amount > 0 and not work.gflop and not work.parts:
        return None, NONE
    others = sum(number * SECONDS[name] for name, number in work.parts.items())
    if not work.gflop:
        return others, PACKAGE
    if not gpus:
        network = work.gflop / (_gflop_per_second(work.network, GFLOP_PER_SECOND) * threads)
        return network + others, PACKAGE
    tflops = machine.tflops if work.together else machine.tflops_inference or machine.tflops
    if tflops is None:
        return None, NONE
    network = work.gflop / (1000 * tflops * gpus)
    if work.together:
        # One thread drives the GPUs; the others load fields meanwhile.
        return max(network, others / max(1, threads - 1)), STATED
    return network + others, STATED


def _gflop_per_second(network: str, table: Mapping[str, float]) -> float:
    """Speed of a network on one core; of one that was not measured, the median of the others."""
    if network in table:
        return table[network]
    task = network.split()[0]
    return median(value for name, value in table.items() if name.startswith(f"{task} "))
