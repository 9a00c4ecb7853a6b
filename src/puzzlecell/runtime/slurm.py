"""What a run or a job knows about the SLURM cluster that it is on."""

import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

# Set by SLURM in a job step, or in a job, with the numbers of the GPUs that were given to it.
_GPUS = ("SLURM_STEP_GPUS", "SLURM_JOB_GPUS")

Run = Callable[..., str]


def given_gpus(environment: Mapping[str, str] = os.environ) -> str | None:
    """Numbers of the GPUs that SLURM has given to this job (such as `0` or `2,3`); None if it has given none."""
    return next((environment[name] for name in _GPUS if environment.get(name)), None)


def place(environment: Mapping[str, str] = os.environ) -> str | None:
    """Text that names this SLURM job, its node and GPUs, for logs; None outside of SLURM."""
    number = environment.get("SLURM_JOB_ID")
    if number is None:
        return None
    gpus = given_gpus(environment)
    return f"SLURM job {number} on {environment.get('SLURMD_NODENAME', 'an unknown node')}, " + (
        f"GPUs {gpus}" if gpus else "no GPU"
    )


def queued_jobs_problem(folder: str | os.PathLike, run: Run | None = None) -> str | None:
    """Say which jobs of an earlier run in a folder are still in SLURM's queue, or why it cannot be read; None if none.

    A run that is killed leaves its jobs behind, and a second run would submit them again. run: as
    `subprocess.check_output`.
    """
    # The job's number, its working directory, and a comment that the executor plugin makes of its rule and wildcards.
    command = ["squeue", "--me", "--noheader", "--format=%i|%Z|%k"]
    try:
        queue = _output(command, run)
    except (OSError, subprocess.SubprocessError) as error:
        return f"SLURM cannot be asked for its queue: {error}"
    rows = [line.split("|", 2) for line in queue.splitlines() if line.count("|") >= 2]
    here = os.path.realpath(folder)
    found = {
        number: comment
        for number, where, comment in rows
        if os.path.realpath(where) == here and comment.startswith(("rule_", "group_"))
    }
    if not found:
        return None
    listed = [f"  {number}: {comment}" for number, comment in list(found.items())[:10]]
    return "\n".join(
        [
            f"SLURM still has {len(found)} job(s) of an earlier run in this folder; wait until they are done, or",
            f"end them with  scancel {' '.join(found)}  (a training saves its state):",
            *listed,
            *(["  ..."] if len(found) > len(listed) else []),
        ]
    )


def partition_problem(path: str | os.PathLike, run: Run | None = None) -> str | None:
    """Say which partitions in a file for the executor plugin this cluster does not have; None if it has all.

    path: YAML with a section `partitions`. run: as `subprocess.check_output`.
    """
    try:
        content: Any = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        named = [name for name, given in content["partitions"].items() if not _elsewhere(given)]
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError, AttributeError):
        return None  # The plugin reports a file that it cannot read.
    try:
        there = set(_output(["sinfo", "--noheader", "--format=%R"], run).split())
    except (OSError, subprocess.SubprocessError) as error:
        return f"SLURM cannot be asked for its partitions: {error}"
    missing = [str(name) for name in named if str(name) not in there]
    if not missing or not there:
        return None
    return (
        f"{os.fspath(path)}: this cluster has no partition {', '.join(missing)}; it has {', '.join(sorted(there))}. "
        f"Write the file for this cluster with  generate-slurm-partition-config -o {os.fspath(path)}"
    )


def _elsewhere(limits: Any) -> bool:
    """Whether a partition belongs to another cluster of a federation, which sinfo does not list."""
    return isinstance(limits, dict) and any(key in limits for key in ("slurm_cluster", "cluster", "clusters"))


def _output(command: list[str], run: Run | None) -> str:
    """Output of a command of SLURM; raises OSError or SubprocessError if there is no SLURM or it does not answer."""
    return (run or subprocess.check_output)(command, text=True, stderr=subprocess.DEVNULL, timeout=60)
