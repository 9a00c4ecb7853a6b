"""Inputs of one training: fields, settings, the held-out fold and the output folder."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch

from puzzlecell.config.labels import WithoutClass
from puzzlecell.config.training import TrainingSettings
from puzzlecell.data.cell_crops import CropGeometry
from puzzlecell.data.labels import read_labels
from puzzlecell.data.store import ShardReader
from puzzlecell.data.tables import class_columns, read_csv, read_parquet
from puzzlecell.errors import UserError
from puzzlecell.runtime.checksums import place_in_results
from puzzlecell.runtime.messages import first_few

STATES_BELOW = "PUZZLECELL_STATES"
"""Environment variable with `TrainingRun.states_below`."""


class TrainingError(UserError):
    """A training that cannot start or continue; the message says what to change."""


@dataclass(frozen=True)
class CellData:
    """What a training on crops of cells needs besides their fields and targets."""

    masks: Sequence[Path]
    """Shards that hold the label images."""
    geometry: CropGeometry
    """How the cells are cut, as in step 2."""
    pool: Literal["cell", "canvas"] = "cell"
    """Region of a crop over which the maps are averaged to logits, as in step 2."""


@dataclass(frozen=True)
class TrainingRun:
    """Training of one stage of one model on all folds but the held-out one."""

    settings: TrainingSettings
    """Settings of the training."""
    classes: Sequence[str]
    """Names of the classes, in the order of the logits."""
    stores: Sequence[Path]
    """Shards that hold the fields, or with a frozen backbone (`network.frozen`) their features."""
    table: pd.DataFrame
    """One row per field: `ID`, `fold` and one column per class, named after it, in [0, 1] (soft labels).

    With `cells`, one row per cell, which has a `cell` too; there, NaN is a class that does not count for the cell, and
    cells of fold 0 are always trained on.
    """
    fold: int
    """The fold held out for validation."""
    output: Path
    """Folder for model.safetensors, history.csv, curves.png and oof.csv."""
    fingerprint: str
    """Depends on configuration, inputs and code; only a saved state with the same fingerprint is resumed."""
    states_below: str | None = None
    """Folder below which the saved state is kept, for machines whose disk does not outlive a job; None: `output`."""
    init_from: Path | None = None
    """model.safetensors of the stage to start from."""
    device: str = "cpu"
    """`cpu`, `cuda` or `cuda:<number>`."""
    devices: int | None = None
    """Number of processes, one per device (or share of the CPU); None = `compute.gpus` on GPUs, 1 on a CPU."""
    threads: int = 1
    """CPU threads in total, over all devices."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """Further metadata for model.safetensors; must be JSON serialisable."""
    cells: CellData | None = None
    """For a training on crops of cells; None: on whole fields."""

    @property
    def world(self) -> int:
        """Return the number of processes."""
        if self.devices is not None:
            return self.devices
        return self.settings.compute.gpus if torch.device(self.device).type == "cuda" else 1

    @property
    def shown(self) -> str:
        """What the network is shown, for texts: `fields` or `cells`."""
        return "fields" if self.cells is None else "cells"

    @property
    def states(self) -> Path:
        """Return the folder of the saved state: the output, or `results/...` below `states_below`."""
        place = place_in_results(self.output)
        return Path(self.states_below, "results", place) if self.states_below and place else Path(self.output)


def training_table(
    labels: Sequence[str | os.PathLike],
    folds: str | os.PathLike,
    stores: Sequence[str | os.PathLike],
    classes: Sequence[str],
    *,
    without_class: WithoutClass = "error",
) -> pd.DataFrame:
    """Return the table of a TrainingRun: all stored fields of these label tables. without_class: see `read_labels`.

    Raises TrainingError if a labelled field is in no fold.
    """
    labelled = pd.concat([read_labels(path, classes, without_class) for path in labels])
    folded = read_csv(folds)
    absent = labelled.index.difference(folded["ID"])
    if len(absent):
        raise TrainingError(
            f"{folds}: {len(absent)} labelled fields are in no fold, such as {first_few(absent, 3)}; delete this file "
            "and start again"
        )
    table = folded.merge(labelled, left_on="ID", right_index=True)
    return table[table["ID"].isin(ShardReader(stores).ids)]


def cell_table(
    targets: Sequence[str | os.PathLike],
    folds: int,
    stores: Sequence[str | os.PathLike],
    classes: Sequence[str],
) -> pd.DataFrame:
    """Return the table of a TrainingRun on cells from tables of targets (Parquet; `ID, cell, fold, p00 ...`).

    folds: number of folds. Cells without any class that counts are left out. Raises TrainingError for a table of
    another number of classes or with folds that do not exist, and for cells of fields that are not stored.
    """
    stored, tables = ShardReader(stores), []
    for path in targets:
        table = read_parquet(path)
        columns = class_columns(table)
        if len(columns) != len(classes):
            raise TrainingError(f"{path}: {len(columns)} classes, expected {len(classes)}")
        strange = sorted(set(table["fold"]) - set(range(folds + 1)))
        if strange:
            raise TrainingError(f"{path}: fold {first_few(strange, 3)}, expected 0 to {folds}")
        absent = [field_id for field_id in dict.fromkeys(table["ID"]) if field_id not in stored]
        if absent:
            raise TrainingError(
                f"{path}: {len(absent)} fields are not in the store, such as {first_few(absent, 3)}; delete this file "
                "and start again"
            )
        tables.append(table.rename(columns=dict(zip(columns, classes, strict=True))))
    joined = pd.concat(tables, ignore_index=True)[["ID", "cell", "fold", *classes]]
    return joined[joined[list(classes)].notna().any(axis=1)].reset_index(drop=True)


def check_table(run: TrainingRun) -> None:
    """Raise TrainingError listing every problem of the table that would stop the training later."""
    keys = ["ID"] if run.cells is None else ["ID", "cell"]
    missing = [name for name in (*keys, "fold", *run.classes) if name not in run.table]
    if missing:
        raise TrainingError(f"the table of {run.shown} lacks the columns {', '.join(missing)}")
    problems = []
    twice = run.table.loc[run.table.duplicated(keys), "ID"]
    if len(twice):
        problems.append(f"{run.shown} listed twice: {first_few(twice, 5)}")
    held_out = run.table["fold"] == run.fold
    if held_out.all() or not held_out.any():
        known = ", ".join(map(str, sorted(run.table["fold"].unique())))
        problems.append(
            f"fold {run.fold} holds {int(held_out.sum())} of {len(held_out)} {run.shown}; existing folds: {known}"
        )
    labels = run.table[list(run.classes)].to_numpy(dtype=np.float64)
    within = (labels >= 0) & (labels <= 1)
    if run.cells is not None:
        within |= np.isnan(labels)
        if np.isnan(labels).all(axis=1).any():
            problems.append("cells without any class that counts")
    if not within.all():
        problems.append("labels must lie between 0 and 1")
    if problems:
        raise TrainingError("; ".join(problems))
