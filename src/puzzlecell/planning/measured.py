"""Rates and memory of an earlier run, from its benchmark files, logs and results.

A benchmark file of Snakemake has the time of a job; its log says on what device and with how many threads, and with
which settings; the results say how many fields and cells there were. So a run with any configuration can be measured.
"""

import csv
import json
import math
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.parquet as pq
from pyarrow.lib import ArrowInvalid
from pydantic import ValidationError

from puzzlecell.config.network import NetworkSettings
from puzzlecell.config.readers import READ_STAGE, SubCellSettings
from puzzlecell.config.segmentation import SegmentationSettings
from puzzlecell.config.simulation import SimulationSettings
from puzzlecell.config.steps import Step1Settings, Step2Settings
from puzzlecell.config.training import TrainingSettings
from puzzlecell.config.view import ViewSettings
from puzzlecell.data.store import ShardReader
from puzzlecell.data.tables import read_csv
from puzzlecell.errors import UserError
from puzzlecell.network.network_file import read_network_file
from puzzlecell.network.subcell_file import read_subcell_file
from puzzlecell.planning.measured_rates import SECONDS
from puzzlecell.planning.work import (
    MEGA,
    Stage,
    Work,
    cells_work,
    features_work,
    ingest_work,
    read_cells_work,
    segment_kind,
    simulation_work,
    step1_work,
    step2_work,
    train_cells_work,
    train_head_work,
    train_work,
    unlike_work,
    view_work,
)

WITHOUT_WORK = frozenset(
    {
        *("ablation", "calibrate", "cams", "export", "member_weights", "targets", "variability"),
        *("view_budget", "view_quality"),
    }
)
"""First folders of the benchmarks of which only the memory counts: these jobs are short, or made on request."""

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
        work = None if log is None else _work(results, names, log)
        if log is None or work is None or work.amount <= 0:
            found.unused += 1
            continue
        worked = max(seconds - SECONDS.get(f"start {script}", 0.0), _LEAST * seconds)
        rate = found.rates.setdefault((work.kind, log.device), Rate())
        rate.seconds += worked * (log.gpus if log.device == "cuda" else log.threads)
        rate.amount += work.amount
        rate.jobs += 1
    return found


def submitted_cells(results: Path) -> int:
    """Number of cells in `submission.csv`; scored holdout sets have tables of cells too, but are not submitted.

    Raises OSError or UserError if a file cannot be read.
    """
    fields = read_csv(results / "submission.csv")["ID"]
    tables = (
        pq.read_table(path, columns=["ID"]).to_pandas() for path in (results / "cells").glob("*.parquet")
    )
    return sum(int(table["ID"].isin(fields).sum()) for table in tables)


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


def _work(results: Path, names: tuple[str, ...], log: JobLog) -> Work | None:
    """Work of a finished job; None if its files do not tell."""
    measure = _MEASURES.get(_script(names))
    try:
        return measure(results, names[1:], log.settings) if measure else None
    except (OSError, UserError, ValidationError, ArrowInvalid, ValueError, KeyError, IndexError):
        return None


def _simulate(results: Path, names: tuple[str, ...], settings: str) -> Work:
    given = SimulationSettings.model_validate_json(settings)
    return simulation_work(given.fields, given.size)


def _ingest(results: Path, names: tuple[str, ...], settings: str) -> Work:
    table = _shard(results, "store", *names).table
    return ingest_work(len(table), (table["height"].astype(float) * table["width"]).sum() / MEGA)


def _segment(results: Path, names: tuple[str, ...], settings: str) -> Work:
    given = SegmentationSettings.model_validate_json(settings)
    fields = len(_shard(results, "masks", *names).ids)
    return Work(segment_kind(given), fields * _label_side(results, *names) ** 2 / MEGA, "Mpx")


def _train(results: Path, names: tuple[str, ...], settings: str, shown: str = "fields") -> Work:
    given, drawn, held_out, epochs = _trained(results, names, settings, shown)
    if shown == "fields":
        return train_work(given, drawn, held_out, epochs=epochs)
    model = results / "models" / Path(*names) / "model.safetensors"
    canvas = int(read_network_file(model)["crops"]["canvas"])
    return train_cells_work(given, canvas, drawn, held_out, epochs=epochs)


def _trained(
    results: Path, names: tuple[str, ...], settings: str, shown: str
) -> tuple[TrainingSettings, float, int, int]:
    """Settings of a training, fields or cells that it drew per epoch, those held out, and epochs."""
    folder = results / "models" / Path(*names)
    history, held_out = read_csv(folder / "history.csv"), read_csv(folder / "oof.csv")
    drawn = float((history["seconds"] * history[f"{shown}_per_s"]).mean())
    given = TrainingSettings.model_validate_json(settings)
    given = given.model_copy(update={"samples_per_epoch": round(drawn)})
    return given, drawn, len(held_out), len(history)


def _features(results: Path, names: tuple[str, ...], settings: str) -> Work:
    dataset, stage, encoder, shard = names
    fields = len(ShardReader([results / "features" / dataset / stage / encoder / f"{shard}.h5"]))
    return features_work(TrainingSettings.model_validate_json(settings), fields)


def _train_head(results: Path, names: tuple[str, ...], settings: str) -> Work:
    given, drawn, held_out, epochs = _trained(results, names, settings, "fields")
    return train_head_work(given, drawn, held_out, epochs=epochs)


def _step1(results: Path, names: tuple[str, ...], settings: str) -> Work:
    (dataset, stage, shard), given = names, Step1Settings.model_validate_json(settings)
    fields = len(_shard(results, "store", dataset, shard).ids)
    return step1_work(_stage(results, stage), given, fields, _label_side(results, dataset, shard))


def _step2(results: Path, names: tuple[str, ...], settings: str) -> Work:
    (dataset, stage, shard), given = names, Step2Settings.model_validate_json(settings)
    cells = pq.read_metadata(results / "step2" / dataset / stage / f"{shard}.parquet").num_rows
    return step2_work(_stage(results, stage), given, cells)


def _read_cells(results: Path, names: tuple[str, ...], settings: str) -> Work:
    (dataset, model, shard), given = names, SubCellSettings.model_validate_json(settings)
    table = results / "step2" / dataset / f"{model}.{READ_STAGE}" / f"{shard}.parquet"
    return read_cells_work(read_subcell_file(given.weights), pq.read_metadata(table).num_rows)


def _oof_step2(results: Path, names: tuple[str, ...], settings: str) -> Work:
    (model, stage, fold), given = names, Step2Settings.model_validate_json(settings)
    cells = pq.read_metadata(results / "oof" / model / stage / f"{fold}.parquet").num_rows
    return step2_work(_stage(results, f"{model}.{stage}", folds=1), given, cells)


def _unlike(results: Path, names: tuple[str, ...], settings: str) -> Work:
    (dataset, shard), given = names, json.loads(settings)
    fields = pq.read_metadata(results / "unlike" / dataset / f"{shard}.images.parquet").num_rows
    return unlike_work(_stage(results, f"{given['model']}.{given['stage']}", folds=1), fields, 0)


def _oof(results: Path, names: tuple[str, ...], settings: str) -> Work:
    model, stage, fold = names
    fields = len(read_csv(results / "oof" / model / stage / f"{fold}.images.csv"))
    given = Step1Settings.model_validate_json(settings)
    return step1_work(_stage(results, f"{model}.{stage}", folds=1), given, fields, 0)


def _holdout(results: Path, names: tuple[str, ...], settings: str) -> Work:
    model, stage, _ = names
    fields = read_csv(results / "oof" / model / stage / "holdout.csv")["ID"].nunique()
    return step1_work(
        _stage(results, f"{model}.{stage}"), Step1Settings.model_validate_json(settings), fields, 0
    )


def _view(results: Path, names: tuple[str, ...], settings: str) -> Work:
    facts = json.loads((results / "view/data" / Path(*names, "shard.json")).read_text())
    given = ViewSettings.model_validate_json(settings)
    sides = facts["pictures"] * given.tile**2 + facts["field_pictures"] * given.field_tile**2
    return view_work(facts["cells"], 4 * sides / MEGA)


def _cells(name: str) -> Callable[[Path, tuple[str, ...], str], Work]:
    def measure(results: Path, names: tuple[str, ...], settings: str) -> Work:
        return cells_work(name, pq.read_metadata(results / "cells" / f"{names[0]}.parquet").num_rows)

    return measure


def _submission(results: Path, names: tuple[str, ...], settings: str) -> Work:
    return cells_work("submission", submitted_cells(results))


def _stage(results: Path, name: str, folds: int | None = None) -> Stage:
    """Networks of a trained stage `<model>.<stage>`, from its weights; raises IndexError if there are none."""
    model, _, stage = name.partition(".")
    paths = sorted((results / "models" / model / stage).glob("fold*/model.safetensors"))
    metadata = read_network_file(paths[0])
    network = NetworkSettings(**metadata["network"])
    return Stage(network, metadata["field_size"], metadata["crop_size"], folds or len(paths))


def _shard(results: Path, kind: str, dataset: str, shard: str) -> ShardReader:
    return ShardReader([results / kind / dataset / f"{shard}.h5"])


def _label_side(results: Path, dataset: str, shard: str) -> int:
    import h5py

    with h5py.File(results / "masks" / dataset / f"{shard}.h5") as file:
        return int(file["cells"].shape[1])


_MEASURES: dict[str, Callable[[Path, tuple[str, ...], str], Work]] = {
    "simulate": _simulate,
    "ingest": _ingest,
    "segment": _segment,
    "train": _train,
    "train_cells": lambda results, names, settings: _train(results, names, settings, "cells"),
    "train_head": _train_head,
    "features": _features,
    "step1": _step1,
    "step2": _step2,
    "read_cells": _read_cells,
    "unlike_training": _unlike,
    "oof_fold": _oof,
    "oof_step2": _oof_step2,
    "holdout_stage": _holdout,
    "submission": _submission,
    "view_shard": _view,
    **{name: _cells(name) for name in ("ensemble", "score")},
}
