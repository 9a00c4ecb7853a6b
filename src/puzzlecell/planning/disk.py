"""Bytes that the jobs of a plan write."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py
from pyarrow.lib import ArrowInvalid

from puzzlecell.config.frozen_stages import feature_settings
from puzzlecell.errors import UserError
from puzzlecell.network.subcell_file import LOCATIONS, read_subcell_file
from puzzlecell.planning.job_work import JobWork
from puzzlecell.planning.measured_rates import BYTES
from puzzlecell.planning.measured_work import submitted_cells
from puzzlecell.planning.network_cost import embedding_bytes, network_cost
from puzzlecell.runtime.planned_jobs import PlannedJob

PIXELS = {"store": ("store", "images"), "masks": ("masks", "cells")}
"""Folder of the results and name of the array of what is measured in bytes per pixel."""


LOCATION_BYTES = 4 * len(LOCATIONS)
"""Bytes per cell of the probabilities of SubCell's locations, single-precision numbers that hardly compress."""


@dataclass(frozen=True)
class Disk:
    """Bytes by folder of the results, and what one training needs besides while it runs.

    measured: the kinds of files whose size per pixel or cell is that of the results, not of the package's table.
    """

    folders: Mapping[str, float]
    training: float
    measured: frozenset[str]


def disk_use(jobs: Iterable[PlannedJob], work: JobWork, results: Path = Path("results")) -> Disk:
    """Bytes written by jobs, all of whose data sets are known.

    A training keeps its state until it ends: the weights, two numbers per weight for Adam (and one for an average),
    and the best weights so far.
    """
    rates, measured = _rates(results)
    folders: dict[str, float] = defaultdict(float)
    state = 0.0
    for job in jobs:
        if job.script is None:
            continue
        cells = work.cells(job) if work.datasets(job) else 0.0
        for folder, size in _written(job, work, rates, cells).items():
            folders[folder] += size
        if job.script in ("train", "train_cells", "train_head"):
            training = work.settings.stage_training(job.wildcards["model"], job.wildcards["stage"])
            # With a frozen backbone, of all weights only the best so far are kept.
            copies = 1 if job.script == "train_head" else 5 if training.ema else 4
            state = max(state, copies * _weights(job, work))
    return Disk(dict(folders), state, measured)


def _written(job: PlannedJob, work: JobWork, rates: Mapping[str, float], cells: float) -> Mapping[str, float]:
    """Bytes that one job writes, by folder of the results."""
    if job.script == "simulate":
        size = work.sizes[job.wildcards["ds"]]
        return {"simulated": size.fields * size.megapixels * 1e6 * rates["simulated"]}
    if job.script == "ingest":
        return {"store": work.fields(job) * work.settings.ingest.size**2 * rates["store"]}
    if job.script == "segment":
        pixels = work.fields(job) * work.label_side**2
        return {"masks": pixels * rates["masks"] + cells * rates["cell table"] + rates["overlay"]}
    if job.script in ("train", "train_cells", "train_head"):
        return {"models": _weights(job, work)}
    if job.script == "features":
        training = feature_settings(work.settings, job.wildcards["model"], job.wildcards["stage"])
        stage = work.stage(job.wildcards["model"], job.wildcards["stage"], 1)
        return {"features": work.fields(job) * training.features.views * stage.feature_bytes}
    if job.script in ("step1", "step2"):
        return {job.script: cells * rates["step table"]}
    if job.script == "read_cells":
        return {"step2": cells * (rates["step table"] + LOCATION_BYTES)}
    if job.script == "unlike_training":
        return {"unlike": cells * rates["unlike table"]}
    if job.script == "targets":
        return {"targets": cells * rates["step table"]}
    if job.script == "oof_step2":
        return {"oof": cells / work.settings.folds.count * rates["step table"]}
    if job.script in ("oof_fold", "holdout_stage"):
        share = work.settings.folds.count if job.script == "oof_fold" else 1
        return {"oof": cells / share * rates["oof table"]}
    if job.script == "oof_cells":
        return {"oof": cells * rates["answer"]}
    if job.script in ("export_h5ad", "export_csv"):
        return {"export": cells * rates[job.script]}
    if job.script == "embed_cells":
        stage = work.stage(job.wildcards["model"], job.wildcards["stage"], 1)
        return {"embeddings": cells * embedding_bytes(stage.key, stage.field_size)}
    if job.script == "embed_read_cells":
        weights = getattr(work.settings.models[job.wildcards["model"]].cells, "weights", "")
        return {"embeddings": cells * 2 * read_subcell_file(weights).embedding}
    if job.script == "take_table":
        return {"step2": cells * rates["step table"]}
    if job.script == "view_shard":
        pixels = work.view_megapixels(job) * 1e6
        return {"view": cells * rates["view cell"] + pixels * rates["view picture"]}
    if job.script == "ensemble":
        return {"cells": cells * rates["answer"]}
    return {"submission.csv": cells * rates["submission"]} if job.script == "submission" else {}


def _weights(job: PlannedJob, work: JobWork) -> float:
    stage = work.stage(job.wildcards["model"], job.wildcards["stage"], 1)
    return network_cost(stage.key, stage.field_size).weight_bytes


def _rates(results: Path) -> tuple[dict[str, float], frozenset[str]]:
    """Bytes per pixel, cell or shard, and the kinds that were measured in the results."""
    found = {}
    for kind, (folder, name) in PIXELS.items():
        size = pixels = 0
        for path in (results / folder).glob("*/*.h5"):
            try:
                with h5py.File(path) as file:
                    fields, height, width = file[name].shape[:3]
            except (OSError, KeyError, ValueError):
                continue
            size, pixels = size + path.stat().st_size, pixels + fields * height * width
        if pixels:
            found[kind] = size / pixels
    try:
        cells = submitted_cells(results)
        if cells:
            found["submission"] = (results / "submission.csv").stat().st_size / cells
    except (OSError, UserError, ArrowInvalid, KeyError):
        pass
    return {**BYTES, **found}, frozenset(found)
