"""Rates and memory of an earlier run, from its benchmark files, logs and results.

A benchmark file of Snakemake has the time of a job; its log says on what device and with how many threads, and with
which settings; the results say how many fields and cells there were. So a run with any configuration can be measured.
"""

import csv
import math
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from puzzlecell.config.readers import READ_STAGE
from puzzlecell.planning.measured_rates import SECONDS
from puzzlecell.planning.measured_work import work_of
from puzzlecell.planning.work import MEGA

WITHOUT_WORK = frozenset(
    {
        *("ablation", "calibrate", "cams", "export", "member_weights", "targets", "variability"),
        *("view_budget", "view_quality", "embed_cells", "embed_read_cells"),
    }
)
"""Scripts of whose benchmarks only the memory counts: their jobs are short, or made on request."""

_START = re.compile(r"; puzzlecell .*; threads: (\d+)$")
_OLD_START = re.compile(r"; puzzlecell \S+, Python ")
_SETTINGS = re.compile(r"puzzlecell\.runtime\.job: settings: (\{.*\})$")
_DEVICE = re.compile(r"puzzlecell\.runtime\.devices: device: (cpu|cuda:\d+|(\d+) GPUs)$")
_LEAST = 0.1
"""Smallest part of a job's time that counts as work: a tiny job is mostly its start."""
_SAMPLED_S = 2.0
"""Snakemake looks at the memory of a job every half second: of a shorter job, it may have seen only the start."""


@dataclass
class Rate:
    """Time that jobs of one kind took: core-seconds on a CPU and GPU-seconds on a GPU, for an amount of work."""

    seconds: float = 0.0
    amount: float = 0.0
    jobs: int = 0

    @property
    def per_unit(self) -> float:
        """Seconds per unit of work."""
        return self.seconds / self.amount


@dataclass
class MeasuredRun:
    """Rates by kind of work and device (`cpu` or `cuda`), peak memory in MB by script, and benchmarks without use."""

    rates: dict[tuple[str, str], Rate] = field(default_factory=dict)
    memory_mb: dict[str, float] = field(default_factory=dict)
    unused: int = 0


@dataclass(frozen=True)
class JobLog:
    """What the log of a job says: its settings as JSON, threads, and device with the number of GPUs."""

    settings: str
    threads: int
    device: str
    gpus: int


def measured_run(results: str | os.PathLike = "results") -> MeasuredRun:
    """Measure a run from the folder of its results.

    Left out are jobs that were stopped and resumed, because their benchmark covers only the last attempt, and those
    whose log or results are missing or damaged.
    """
    results, found = Path(results), MeasuredRun()
    for path in sorted((results / "benchmarks").rglob("*.tsv")):
        names = path.relative_to(results / "benchmarks").with_suffix("").parts
        row = _benchmark(path)
        if row is None:
            found.unused += 1
            continue
        seconds, memory = row
        script = _script(names)
        if math.isfinite(memory) and seconds >= _SAMPLED_S:
            found.memory_mb[script] = max(memory, found.memory_mb.get(script, 0.0))
        if script in WITHOUT_WORK:
            continue
        log = _log(results / "logs" / Path(*names[:-1], f"{names[-1]}.log"))
        work = None if log is None else work_of(script, results, names[1:], log.settings)
        if log is None or work is None or work.amount <= 0:
            found.unused += 1
            continue
        worked = max(seconds - SECONDS.get(f"start {script}", 0.0), _LEAST * seconds)
        rate = found.rates.setdefault((work.kind, log.device), Rate())
        rate.seconds += worked * (log.gpus if log.device == "cuda" else log.threads)
        rate.amount += work.amount
        rate.jobs += 1
    return found


def _benchmark(path: Path) -> tuple[float, float] | None:
    """Seconds and peak memory (MB, NaN if not measured) in a benchmark file; None if it is no such file."""
    try:
        with path.open(newline="") as file:
            row = next(csv.DictReader(file, delimiter="\t"))
        seconds = float(row["s"])
    except (OSError, ValueError, KeyError, TypeError, StopIteration):
        return None
    try:
        # Snakemake's are MiB.
        memory = float(row["max_rss"]) * 2**20 / MEGA
    except (ValueError, KeyError, TypeError):
        memory = math.nan
    return (seconds, memory) if 0 < seconds < math.inf else None


def _script(names: tuple[str, ...]) -> str:
    """Script of the job with this benchmark."""
    if names[:2] == ("oof", "cells") and len(names) == 3:
        return "oof_cells"
    if names[0] == "embeddings" and len(names) == 4:
        return "embed_read_cells" if names[2].endswith(f".{READ_STAGE}") else "embed_cells"
    if names[0] == "oof":
        return {"holdout": "holdout_stage", "step2": "oof_step2"}.get(names[-1].split(".")[-1], "oof_fold")
    return names[0]


def _log(path: Path) -> JobLog | None:
    """Read a log; None if it cannot be read, has no settings or tells of more than one attempt."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    if sum(bool(_OLD_START.search(line)) for line in lines) != 1:
        return None
    threads, settings, device = (
        next((match for line in lines if (match := pattern.search(line))), None)
        for pattern in (_START, _SETTINGS, _DEVICE)
    )
    if threads is None:
        return None
    on_gpu = device is not None and device[1] != "cpu"
    return JobLog(
        settings[1] if settings else "{}",
        int(threads[1]),
        "cuda" if on_gpu else "cpu",
        int(device[2] or 1) if device is not None and on_gpu else 0,
    )
