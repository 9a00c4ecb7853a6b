"""The jobs that a run would execute, from Snakemake's own plan; the counterpart of `snakemake -n`."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from puzzlecell.errors import UserError
from puzzlecell.runtime.loaded_workflow import build_dag, loaded_workflow
from puzzlecell.runtime.threads import assumed_cores


@dataclass(frozen=True)
class PlannedJob:
    """A job of the plan.

    needed: whether the run would execute it; otherwise its results are there. after: indices, in the list of all jobs,
    of the jobs whose results it reads. script: name of its script without `.py`, None for a rule that only names what
    others write. memory_mb: what its rule states, None if that is unknown before the job starts.
    """

    rule: str
    script: str | None
    wildcards: Mapping[str, str]
    threads: int
    gpus: int
    memory_mb: int | None
    needed: bool
    after: tuple[int, ...]


@dataclass(frozen=True)
class WorkflowPlan:
    """All jobs behind the targets, done or not, each after those whose results it reads; and the configuration."""

    config: Mapping[str, Any]
    jobs: list[PlannedJob]


def planned_jobs(
    targets: Sequence[str] = (),
    configfile: str | None = None,
    *,
    cores: int,
    everything: bool = False,
) -> WorkflowPlan:
    """Plan the workflow in the current folder as `snakemake -n --cores CORES TARGETS` would; runs nothing.

    targets: files or rules; none means the default target. configfile: in place of `config/config.yaml`. cores: of the
    machine that the run is planned for, which decides the threads of its jobs. everything: as if nothing was done yet.
    Raises UserError for a folder without a Snakefile, an invalid configuration, and targets that cannot be made.
    """
    with (
        assumed_cores(cores),
        planned_workflow(targets, configfile, cores=cores, everything=everything) as workflow,
    ):
        return WorkflowPlan(workflow.config, _jobs(workflow.dag))


@contextmanager
def planned_workflow(
    targets: Sequence[str] = (),
    configfiles: str | Sequence[str] | None = None,
    *,
    cores: int,
    everything: bool = False,
    snakefile: str = "Snakefile",
) -> Iterator[Any]:
    """Provide the workflow with its jobs as Snakemake has planned them for the current folder; runs nothing.

    Arguments and errors are those of `planned_jobs`; configfiles may be several.
    """
    from snakemake.exceptions import RuleException, WorkflowError

    if not Path(snakefile).is_file():
        raise UserError("there is no Snakefile here; change to the folder of the project first")
    for path in [configfiles] if isinstance(configfiles, str) else configfiles or ():
        if not Path(path).is_file():
            raise UserError(f"--configfile: there is no file {path}")
    with ExitStack() as stack:
        try:
            workflow = stack.enter_context(loaded_workflow(cores, configfiles, snakefile))
            build_dag(workflow, targets, forceall=everything)
        except (RuleException, WorkflowError) as error:
            raise UserError(f"the workflow cannot be planned: {str(error).strip()}") from error
        yield workflow


def _jobs(dag: Any) -> list[PlannedJob]:
    # In an order of their own, because Snakemake's levels are sets.
    ordered = [job for level in dag.toposorted() for job in sorted(level, key=_name)]
    place = {job: number for number, job in enumerate(ordered)}
    return [
        PlannedJob(
            rule=job.rule.name,
            script=Path(job.rule.script).stem if job.rule.script else None,
            wildcards=dict(job.wildcards_dict),
            threads=job.threads,
            gpus=_number(job, "gpu") or 0,
            memory_mb=_number(job, "mem_mb"),
            needed=dag.needrun(job),
            after=tuple(sorted(place[other] for other in dag.dependencies[job])),
        )
        for job in ordered
    ]


def _name(job: Any) -> tuple[str, list[tuple[str, str]]]:
    return job.rule.name, sorted(job.wildcards_dict.items())


def _number(job: Any, resource: str) -> int | None:
    # What depends on the size of a file that does not exist yet is no number.
    value = job.resources.get(resource)
    return value if isinstance(value, int) else None
