"""Which runs work in this folder: each has a record in `.snakemake`, and tells its jobs who it is."""

import atexit
import json
import os
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from puzzlecell.runtime.process import Process, process_of, this_process

RUN = "PUZZLECELL_RUN"
"""Environment variable with Snakemake's process, for the jobs that it starts on the same machine."""
RECORDS = Path(".snakemake/puzzlecell-runs")
SCRIPTS = Path(".snakemake/scripts")


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
