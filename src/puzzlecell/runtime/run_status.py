"""How far the run in a folder is: done, running, failed, stopped and waiting jobs, also while Snakemake works on it.

Snakemake's plan says which jobs are done. Of the others, the claims of the jobs say which are running, and their logs
how the last attempt of each ended. Nothing is locked or written.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from puzzlecell.runtime.claim import claim_path, read_holder
from puzzlecell.runtime.job_log import last_attempt
from puzzlecell.runtime.planned_jobs import planned_workflow
from puzzlecell.runtime.process import Process
from puzzlecell.runtime.run_record import RunRequest, runs_here
from puzzlecell.runtime.snakemake_internals import unfinished_outputs

State = Literal["done", "running", "failed", "stopped", "waiting"]
STATES: tuple[State, ...] = ("done", "running", "failed", "stopped", "waiting")


@dataclass(frozen=True)
class JobStatus:
    """State of a job. title: its rule and wildcards. log, line: its log and what it said last; None without any."""

    rule: str
    title: str
    state: State
    log: str | None = None
    line: str | None = None
    holder: str | None = None
    """The process that works on it."""


@dataclass(frozen=True)
class RunStatus:
    """All jobs behind the targets of a run, those that others need first; and the processes of Snakemake."""

    jobs: list[JobStatus]
    runs: list[Process]

    def count(self, state: State, rule: str | None = None) -> int:
        """Number of jobs in a state, of one rule or of all."""
        return sum(job.state == state and rule in (None, job.rule) for job in self.jobs)


def run_status(request: RunRequest, *, cores: int) -> RunStatus:
    """Return the state of each job behind the targets of a request, in the current folder.

    Raises UserError for a folder without a Snakefile, an invalid configuration, and targets that cannot be made.
    """
    runs = runs_here()
    with planned_workflow(
        request.targets, request.configfiles, cores=cores, snakefile=request.snakefile
    ) as workflow:
        ordered = [job for level in workflow.dag.toposorted() for job in sorted(level, key=_title)]
        jobs = [
            _status(
                job, needed=workflow.dag.needrun(job), begun=bool(runs) and unfinished_outputs(workflow, job)
            )
            for job in ordered
            if job.output
        ]
    return RunStatus(jobs, runs)


def _status(job: Any, *, needed: bool, begun: bool) -> JobStatus:
    """State of a job. begun: whether a run that still works has started it, as far as Snakemake's records say."""
    title, log = _title(job), next(map(str, job.log), None)
    if not needed:
        return JobStatus(job.rule.name, title, "done", log)
    holder = read_holder(claim_path(Path(log))) if log else None
    last = last_attempt(log) if log else None
    said = {"log": log, "line": last.line if last else None}
    if holder is not None and holder.process.alive() is not False:
        return JobStatus(job.rule.name, title, "running", **said, holder=str(holder))
    if last is not None and last.end == "failed" and not begun:
        return JobStatus(job.rule.name, title, "failed", **said)
    if begun:
        # Between its start and its claim, a job loads its libraries for a second or two.
        return JobStatus(job.rule.name, title, "running", log)
    # A job that was done, and has to be done again, waits.
    return JobStatus(
        job.rule.name, title, "stopped" if last is not None and last.end == "open" else "waiting", **said
    )


def _title(job: Any) -> str:
    return f"{job.rule.name} {'/'.join(str(value) for value in job.wildcards_dict.values())}".strip()


def shown(status: RunStatus, most: int = 20) -> Sequence[str]:
    """Return the status as lines of text: a table of the rules, then running, failed and stopped jobs."""
    rules = list(dict.fromkeys(job.rule for job in status.jobs))
    width = max([len("rule"), len("all jobs"), *map(len, rules)])
    lines = [f"{'rule':{width}}" + "".join(f"{state:>9}" for state in STATES)]
    for rule in [*rules, None]:
        numbers = "".join(f"{status.count(state, rule) or '-':>9}" for state in STATES)
        lines.append(f"{rule or 'all jobs':{width}}{numbers}")
    runs = ", ".join(f"process {process.pid} on {process.host}" for process in status.runs)
    lines.append(f"Snakemake: {f'running ({runs})' if runs else 'not running here'}")
    for state in ("running", "failed", "stopped"):
        jobs = [job for job in status.jobs if job.state == state]
        for job in jobs[:most]:
            lines.append(f"{state}: {job.title}{f' ({job.holder})' if job.holder else ''}")
            lines += [f"    {job.line.strip()}"] if job.line else []
            lines += [f"    see {job.log}"] if job.log else []
        lines += [f"and {len(jobs) - most} more {state}"] if len(jobs) > most else []
    return lines
