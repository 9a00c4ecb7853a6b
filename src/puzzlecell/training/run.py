"""Inputs of one training: fields, settings, the held-out fold and the output folder."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from puzzlecell.config.labels import WithoutClass
from puzzlecell.config.training import TrainingSettings
from puzzlecell.data.labels import read_labels
from puzzlecell.data.store import ShardReader
from puzzlecell.data.tables import read_csv
from puzzlecell.errors import UserError
from puzzlecell.runtime.checksums import place_in_results
from puzzlecell.runtime.messages import first_few

STATES_BELOW = "PUZZLECELL_STATES"
"""Environment variable with `TrainingRun.states_below`."""


class TrainingError(UserError):
    """A training that cannot start or continue; the message says what to change."""


@dataclass(frozen=True)
class TrainingRun:
    """Training of one stage of one model on all folds but the held-out one."""

    settings: TrainingSettings
    """Settings of the training."""
    classes: Sequence[str]
    """Names of the classes, in the order of the logits."""
    stores: Sequence[Path]
    """Shards that hold the fields."""
    table: pd.DataFrame
    """One row per field: `ID`, `fold` and one column per class, named after it, in [0, 1] (soft labels)."""
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

    @property
    def world(self) -> int:
        """Return the number of processes."""
        if self.devices is not None:
            return self.devices
        return self.settings.compute.gpus if torch.device(self.device).type == "cuda" else 1

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


def check_table(run: TrainingRun) -> None:
    """Raise TrainingError listing every problem of the table that would stop the training later."""
    missing = [name for name in ("ID", "fold", *run.classes) if name not in run.table]
    if missing:
        raise TrainingError(f"the table of fields lacks the columns {', '.join(missing)}")
    problems = []
    twice = run.table.loc[run.table["ID"].duplicated(), "ID"]
    if len(twice):
        problems.append(f"fields listed twice: {first_few(twice, 5)}")
    held_out = run.table["fold"] == run.fold
    if held_out.all() or not held_out.any():
        known = ", ".join(map(str, sorted(run.table["fold"].unique())))
        problems.append(
            f"fold {run.fold} holds {int(held_out.sum())} of {len(held_out)} fields; existing folds: {known}"
        )
    labels = run.table[list(run.classes)].to_numpy(dtype=np.float64)
    if not ((labels >= 0) & (labels <= 1)).all():
        problems.append("labels must lie between 0 and 1")
    if problems:
        raise TrainingError("; ".join(problems))
