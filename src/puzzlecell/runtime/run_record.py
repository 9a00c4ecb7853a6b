"""Which runs work in this folder: each has a record in `.snakemake`, and tells its jobs who it is."""

import atexit
import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from puzzlecell.runtime.atomic import written_whole
from puzzlecell.runtime.process import Process, process_of, this_process

RUN = "PUZZLECELL_RUN"
"""Environment variable with Snakemake's process, for the jobs that it starts on the same machine."""
RECORDS = Path(".snakemake/puzzlecell-runs")
SCRIPTS = Path(".snakemake/scripts")
LAST_REQUEST = Path(".snakemake/puzzlecell-last-run.json")
"""What the run that began last in this folder was asked for; kept after its end."""


@dataclass(frozen=True)
class RunRequest:
    """What a run was asked for.

    snakefile: its path; paths in this folder are relative. configfiles: those of `--configfile`. targets: files and
    rules; none: the default target. bucket: URL below which it keeps its files; None: in its folder.
    """

    snakefile: str = "Snakefile"
    configfiles: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    bucket: str | None = None


def keep_request(request: RunRequest) -> None:
    """Keep what this run was asked for, for `last_request`."""
    LAST_REQUEST.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(LAST_REQUEST, durable=False) as temporary:
        temporary.write_text(json.dumps(asdict(request)))


def last_request() -> RunRequest | None:
    """Return what the run that began last in this folder was asked for; None if no run has left a readable record."""
    try:
        given = json.loads(LAST_REQUEST.read_text())
        return RunRequest(
            str(given["snakefile"]), tuple(given["configfiles"]), tuple(given["targets"]), given["bucket"]
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def runs_here() -> list[Process]:
    """Processes of Snakemake that run in this folder, or may run there on another machine."""
    found = []
    for path in sorted(RECORDS.glob("*.json")):
        try:
            process = process_of(json.loads(path.read_text())["process"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if process is not None and process.alive() is not False:
            found.append(process)
    return found


def announce_run(own_jobs: bool) -> None:
    """Record this process as a run; call it before the first job.

    own_jobs: whether it starts its jobs itself, so that they end with it; False if a cluster does.
    """
    os.environ.pop(RUN, None)
    process = this_process()
    if own_jobs:
        os.environ[RUN] = process.as_json()
    record = RECORDS.absolute() / f"{process.host}-{process.pid}.json"
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text(json.dumps({"process": asdict(process), "own_jobs": own_jobs}))
    atexit.register(record.unlink, missing_ok=True)


def run_of_this_job() -> Process | None:
    """Return Snakemake's process that started this job on the same machine; None for jobs of a cluster."""
    return process_of(os.environ.get(RUN))


def remove_scripts_of_killed_runs(no_job_queued: bool = False) -> None:
    """Remove copies of scripts that killed runs left, if no other run or job that may use them goes on in this folder.

    Call it before the first job. Snakemake copies the script of each job and removes the copy after the job.
    no_job_queued: whether a cluster has no more jobs of killed runs in this folder.
    """
    # Listed first: a run that begins now makes its scripts after its record.
    scripts = list(SCRIPTS.glob("tmp*"))
    unused = True
    for path in RECORDS.glob("*.json"):
        try:
            record = json.loads(path.read_text())
            process, own_jobs = process_of(record["process"]), record["own_jobs"]
        except (OSError, ValueError, KeyError, TypeError):
            process, own_jobs = None, False
        if process == this_process():
            continue
        killed = process is not None and process.alive() is False
        ended = killed and (own_jobs or no_job_queued)
        unused &= ended
        if ended:
            path.unlink(missing_ok=True)
    for script in scripts if unused else []:
        with suppress(OSError):
            script.unlink()
