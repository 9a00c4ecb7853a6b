"""Outputs of a training besides its weights: history, curves and predictions for the held-out fold."""

import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from puzzlecell.data.tables import probability_columns, write_csv
from puzzlecell.errors import UserError
from puzzlecell.runtime.atomic import written_whole


def write_history(path: str | os.PathLike, history: Sequence[dict[str, float]]) -> None:
    """Write the history as CSV, one row per epoch."""
    write_csv(path, pd.DataFrame(list(history)), digits=None)


def draw_curves(
    path: str | os.PathLike,
    history: Sequence[dict[str, float]],
    best_epoch: int,
    title: str,
    shown: str = "fields",
) -> None:
    """Plot the losses, metrics and learning rate over the epochs as PNG, with the best epoch marked.

    shown: what the network is shown, for the legend.
    """
    from matplotlib.figure import Figure

    table = pd.DataFrame(list(history)).set_index("epoch")
    figure = Figure(figsize=(15, 4.2), layout="constrained")
    losses, metrics, rate = figure.subplots(1, 3)
    for number, part in enumerate(("loss", "full", "tiles", "consistency")):
        width = 2 if part == "loss" else 1
        losses.plot(table[f"train_{part}"], color=f"C{number}", lw=width, ls="--", label=f"training {part}")
        losses.plot(table[part], color=f"C{number}", lw=width, label=f"held-out {part}")
    losses.set(title="Loss and its parts", xlabel="epoch", ylim=(0, None))
    for number, (name, label) in enumerate(
        (("map", "mean average precision"), ("f1_samples", f"F1, {shown}"), ("f1_macro", "F1, classes"))
    ):
        metrics.plot(table[name], color=f"C{number}", label=label)
    metrics.set(title="Held-out fold", xlabel="epoch", ylim=(0, 1))
    rate.plot(table["learning_rate"], color="C0", label="learning rate at the end of the epoch")
    rate.set(title="Learning rate", xlabel="epoch", yscale="log")
    for axes in (losses, metrics, rate):
        axes.axvline(best_epoch, color="0.7", lw=1, zorder=0, label=f"best epoch {best_epoch}")
        axes.legend(fontsize="x-small")
        axes.margins(x=0.02)
    figure.suptitle(title)
    with written_whole(path) as temporary:
        # Without matplotlib's metadata, so that the same training gives the same file.
        figure.savefig(temporary, dpi=110, metadata={"Software": None})


def write_predictions(
    path: str | os.PathLike,
    keys: pd.DataFrame,
    labels: np.ndarray,
    probabilities: np.ndarray,
    *,
    soft: bool = False,
) -> None:
    """Write predictions for held-out fields or cells as CSV: `ID,Label,p00,p01,...`, for cells `ID,cell,Label,...`.

    keys: the columns that identify a row. labels, probabilities: (N, C); `Label` has the numbers of the classes with a
    label of at least 0.5, joined by `|`. soft: the labels follow as `t00,t01,...`, empty where a class does not count.
    """
    columns = probability_columns(probabilities.shape[1])
    parts = [keys.reset_index(drop=True)]
    parts.append(pd.DataFrame({"Label": ["|".join(map(str, np.flatnonzero(row >= 0.5))) for row in labels]}))
    parts.append(pd.DataFrame(probabilities.astype(np.float32), columns=columns))
    if soft:
        parts.append(pd.DataFrame(labels.astype(np.float32), columns=[f"t{name[1:]}" for name in columns]))
    write_csv(path, pd.concat(parts, axis=1))


class Events:
    """TensorBoard events of a training; does nothing if `folder` is None."""

    def __init__(self, folder: Path | None, first_epoch: int):
        self.writer = None
        if folder is not None:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError as error:
                raise UserError(
                    "tensorboard: true needs the package tensorboard; install it with "
                    'pip install "puzzlecell[tensorboard]", or set tensorboard: false'
                ) from error
            self.writer = SummaryWriter(str(folder), purge_step=first_epoch)

    def add(self, row: dict[str, float]) -> None:
        """Add one epoch's row of the history."""
        if self.writer is None:
            return
        for name, value in row.items():
            if name != "epoch" and not math.isnan(value):
                self.writer.add_scalar(name, value, int(row["epoch"]))
        self.writer.flush()

    def close(self) -> None:
        """Close the event file."""
        if self.writer is not None:
            self.writer.close()
