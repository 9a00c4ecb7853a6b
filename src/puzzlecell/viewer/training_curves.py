"""Histories of trainings, with few points."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from puzzlecell.data.tables import read_csv
from puzzlecell.viewer.json_numbers import number

SHOWN = ("train_loss", "loss", "map", "f1_macro", "learning_rate")
MOST_EPOCHS = 100


def training_curves(
    histories: Mapping[tuple[str, str], Sequence[str | os.PathLike]], best_by: Mapping[tuple[str, str], str]
) -> list[dict[str, Any]]:
    """Read the histories of trainings: for each stage and fold `model, stage, fold, epochs, best` and the columns.

    histories: `history.csv` of each fold in turn, by model and stage. Of more than 100 epochs, 100 evenly spaced ones
    stay, with the first and the last. best_by: the column that decides which epoch is the best (the setting
    `best_metric`), by model and stage; of equal epochs it is the first.
    """
    found = []
    for (model, stage), paths in histories.items():
        for fold, path in enumerate(paths, start=1):
            table = read_csv(path)
            rows = np.arange(len(table))
            if len(table) > MOST_EPOCHS:
                rows = np.linspace(0, len(table) - 1, MOST_EPOCHS).astype(int)
            values = {
                name: [number(value, 5) for value in table[name].to_numpy()[rows]]
                for name in SHOWN
                if name in table
            }
            decides = best_by[model, stage]
            ranked = table[decides] if decides == "loss" else -table[decides]
            found.append(
                {
                    "model": model,
                    "stage": stage,
                    "fold": fold,
                    "epochs": table["epoch"].to_numpy()[rows].tolist(),
                    "best": int(table["epoch"][ranked.idxmin()]),
                    **values,
                }
            )
    return found
