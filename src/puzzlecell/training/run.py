"""What one training is given: fields, settings, a fold to hold out, a folder for its outputs."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from puzzlecell.config.training import TrainingSettings
from puzzlecell.data.labels import read_labels
from puzzlecell.data.store import ShardReader


class TrainingError(ValueError):
    """A training that cannot start or go on; the message says what to change."""


@dataclass(frozen=True)
class TrainingRun:
    """One stage of one model on all folds but one."""

    settings: TrainingSettings
    """What to train and how."""
    classes: Sequence[str]
    """Names of the classes, in the order of the logits."""
    stores: Sequence[Path]
    """Shards that hold the fields."""
    table: pd.DataFrame
    """A row for each field: `ID`, `fold`, and by its name each class in [0, 1]; soft labels lie between."""
    fold: int
    """The fold held out for validation."""
    output: Path
    """Folder for model.safetensors, history.csv, curves.png and oof.csv."""
    fingerprint: str
    """Changes with configuration, inputs and code: a saved state is taken up only where it is the same."""
    init_from: Path | None = None
    """model.safetensors of the stage to start from."""
    device: str = "cpu"
    """`cpu`, `cuda` or `cuda:<number>`."""
    devices: int | None = None
    """Processes, each with a device or a share of the CPU; None = `compute.gpus` on GPUs, one on a CPU."""
    threads: int = 1
    """CPU threads to use, over all devices."""
    state_folder: Path | None = None
    """Where last.ckpt and the best weights so far are kept; None = `output`."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """What else to write into model.safetensors, as json can hold it."""

    @property
    def world(self) -> int:
        """Number of processes."""
        if self.devices is not None:
            return self.devices
        return self.settings.compute.gpus if torch.device(self.device).type == "cuda" else 1

    @property
    def states(self) -> Path:
        """Folder of the saved state."""
        return Path(self.output if self.state_folder is None else self.state_folder)


def training_table(
    labels: Sequence[str | os.PathLike],
    folds: str | os.PathLike,
    stores: Sequence[str | os.PathLike],
    classes: Sequence[str],
) -> pd.DataFrame:
    """The table of a TrainingRun: all stored fields of these label tables that are in a fold."""
    labelled = pd.concat([read_labels(path, classes) for path in labels])
    table = pd.read_csv(folds, dtype={"ID": str}).merge(labelled, left_on="ID", right_index=True)
    return table[table["ID"].isin(ShardReader(stores).ids)]


def check_table(run: TrainingRun) -> None:
    """Raise TrainingError naming every fault of the table that would stop the training later."""
    missing = [name for name in ("ID", "fold", *run.classes) if name not in run.table]
    if missing:
        raise TrainingError(f"the table of fields lacks the columns {', '.join(missing)}")
    problems = []
    twice = run.table.loc[run.table["ID"].duplicated(), "ID"]
    if len(twice):
        problems.append(f"fields given twice: {', '.join(map(str, twice[:5]))}")
    held_out = run.table["fold"] == run.fold
    if held_out.all() or not held_out.any():
        known = ", ".join(map(str, sorted(run.table["fold"].unique())))
        problems.append(
            f"fold {run.fold} holds {int(held_out.sum())} of {len(held_out)} fields; folds are {known}"
        )
    labels = run.table[list(run.classes)].to_numpy(dtype=np.float64)
    if not ((labels >= 0) & (labels <= 1)).all():
        problems.append("labels must lie between 0 and 1")
    if problems:
        raise TrainingError("; ".join(problems))
