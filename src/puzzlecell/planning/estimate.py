"""The estimate of a run: jobs, time, memory and disk by rule, and their totals."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from puzzlecell.config.workflow import Configuration, load_configuration
from puzzlecell.errors import UserError
from puzzlecell.planning.disk import Disk, disk_use
from puzzlecell.planning.job_work import JobWork
from puzzlecell.planning.measured import MeasuredRun, measured_run
from puzzlecell.planning.rates import JobTime, Machine, job_time
from puzzlecell.planning.schedule import Schedule, Task, schedule
from puzzlecell.planning.sizes import DatasetSize, Stated, dataset_sizes
from puzzlecell.planning.work import Work
from puzzlecell.runtime.planned_jobs import PlannedJob, WorkflowPlan


@dataclass
class RuleEstimate:
    """Totals of the jobs of a rule that are still to be done.

    jobs, all_jobs: to be done, and with those that are done. amount, unit: of their work; no unit if they only start.
    seconds, core_s, gpu_s: time of all jobs, of the cores and of the GPUs that they occupy; None if a rate is missing.
    work_s: seconds of a core, or of a GPU if they use any, for the work without starting the jobs. memory_mb: most of
    one job; `memory_measured`: in an earlier run, else what the rule states.
    """

    rule: str
    jobs: int = 0
    all_jobs: int = 0
    amount: float = 0.0
    unit: str = ""
    seconds: float | None = 0.0
    core_s: float | None = 0.0
    gpu_s: float | None = 0.0
    work_s: float = 0.0
    memory_mb: float | None = None
    memory_measured: bool = False
    sources: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Estimate:
    """Estimate of a run on a machine. timing: None if some rate is missing."""

    machine: Machine
    rules: list[RuleEstimate]
    sizes: dict[str, DatasetSize]
    disk: Disk
    timing: Schedule | None
    missing: list[str]
    """Kinds of work without a rate."""
    trainings: int
    """Most trainings at a time."""
    unused_benchmarks: int


def estimate(
    plan: WorkflowPlan, stated: Stated, machine: Machine, results: str | Path = "results"
) -> Estimate:
    """Estimate the jobs of a plan that are still to be done.

    results: folder of a run whose benchmarks, tables and file sizes are used where it has any. Raises UserError for
    data sets whose number of fields is unknown, and if the machine cannot run a job.
    """
    settings = load_configuration(plan.config)
    check_devices(settings, plan.jobs, machine)
    sizes = dataset_sizes(settings, stated, results)
    job_work, measured = JobWork(settings, sizes), measured_run(results)
    work = [job_work(job) if job.needed else [] for job in plan.jobs]
    if job_work.unknown:
        names = [name for name in settings.datasets if name in job_work.unknown]
        raise UserError(
            f"the number of fields is unknown, because there is no label table yet: {', '.join(names)}; "
            f"state it, for example --fields {' '.join(f'{name}=1000' for name in names)}"
        )
    times = [job_time(job, parts, machine, measured) for job, parts in zip(plan.jobs, work, strict=True)]
    rules, missing = _by_rule(plan.jobs, work, times, machine, measured)
    timing = None
    if not missing:
        tasks = _tasks(plan.jobs, times, machine, measured)
        timing = schedule(
            tasks, cores=machine.cores, gpus=machine.gpus, nodes=machine.nodes, jobs=machine.jobs
        )
    used = {name for job in plan.jobs if job.needed for name in job_work.datasets(job)}
    return Estimate(
        machine,
        rules,
        {name: found for name, found in sizes.items() if name in used},
        disk_use([job for job in plan.jobs if job.needed], job_work, Path(results)),
        timing,
        missing,
        _trainings(plan.jobs, machine),
        measured.unused,
    )


def check_devices(settings: Configuration, jobs: Sequence[PlannedJob], machine: Machine) -> None:
    """Raise UserError if a job asks for GPUs that the machine does not have."""
    most = max((job.gpus for job in jobs if job.needed), default=0)
    if settings.gpu == "cuda" and most and not machine.gpus:
        raise UserError("gpu is cuda, but the machine has no GPU; state them with --gpus")
    if machine.gpus and most > machine.gpus:
        raise UserError(
            f"compute.gpus is {most}, but a node has {machine.gpus} GPU(s); state them with --gpus"
        )


def _memory(job: PlannedJob, measured: MeasuredRun) -> float | None:
    return measured.memory_mb.get(job.script or "", job.memory_mb)


def _tasks(
    jobs: Sequence[PlannedJob], times: Sequence[JobTime], machine: Machine, measured: MeasuredRun
) -> list[Task]:
    tasks = []
    for job, time in zip(jobs, times, strict=True):
        busy = job.needed and job.script is not None
        tasks.append(
            Task(
                (time.seconds or 0.0) + machine.wait_s if busy else 0.0,
                min(job.threads, machine.cores),
                time.gpus,
                (_memory(job, measured) or 0.0) if busy else 0.0,
                job.after,
            )
        )
    return tasks


def _by_rule(
    jobs: Sequence[PlannedJob],
    work: Sequence[Sequence[Work]],
    times: Sequence[JobTime],
    machine: Machine,
    measured: MeasuredRun,
) -> tuple[list[RuleEstimate], list[str]]:
    """Estimates of the rules with something to do, in the order of the workflow, and kinds of work without a rate."""
    found: dict[str, RuleEstimate] = {}
    missing: dict[str, None] = {}
    for job, parts, time in zip(jobs, work, times, strict=True):
        rule = found.setdefault(job.rule, RuleEstimate(job.rule))
        rule.all_jobs += 1
        if not job.needed:
            continue
        rule.jobs += 1
        rule.amount += sum(part.amount for part in parts)
        rule.unit = parts[0].unit if parts else ""
        if job.script is not None:
            rule.memory_mb = max(rule.memory_mb or 0.0, _memory(job, measured) or 0.0) or None
            rule.memory_measured = job.script in measured.memory_mb
        rule.sources |= time.sources
        missing |= dict.fromkeys(time.missing)
        if time.seconds is None:
            rule.seconds = rule.core_s = rule.gpu_s = None
        elif rule.seconds is not None and rule.core_s is not None and rule.gpu_s is not None:
            rule.seconds += time.seconds
            rule.core_s += time.seconds * min(job.threads, machine.cores)
            rule.gpu_s += time.seconds * time.gpus
            rule.work_s += (time.work_s or 0.0) * (time.gpus or min(job.threads, machine.cores))
    return [rule for rule in found.values() if rule.jobs], list(missing)


def _trainings(jobs: Sequence[PlannedJob], machine: Machine) -> int:
    """Most trainings at a time that the machine has room for."""
    given = [job for job in jobs if job.needed and job.script in ("train", "train_cells")]
    if not given:
        return 0
    threads, gpus = min(min(job.threads for job in given), machine.cores), min(job.gpus for job in given)
    room = machine.nodes * (
        machine.gpus // gpus if machine.gpus and gpus else machine.cores // max(1, threads)
    )
    return max(1, min(len(given), room, machine.jobs or len(given)))
