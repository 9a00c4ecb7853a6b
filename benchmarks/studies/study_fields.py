"""Stored fields with the truth of every cell, as the studies use them: one shard with images, masks and labels."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from puzzlecell.config.simulation import SimulationSettings
from puzzlecell.data.resize import resize_field
from puzzlecell.data.store import ShardReader, write_shard
from puzzlecell.simulate.field import simulate_field


class TrueField(NamedTuple):
    """A field whose cells' classes are known."""

    id: str
    image: np.ndarray
    """(H, W, 4) uint8 or uint16, RGBY."""
    cells: np.ndarray
    """(H, W) uint16 label image, 0 = background."""
    cell_labels: Sequence[Sequence[int]]
    """Classes of cell 1, cell 2, ..."""


def simulated_fields(dataset: str, count: int, settings: SimulationSettings, seed: int) -> list[TrueField]:
    """Return the first `count` fields of a simulated data set."""
    fields = (simulate_field(dataset, index, settings, seed) for index in range(count))
    return [TrueField(field.id, field.image, field.cells, field.cell_labels) for field in fields]


def write_fields(path: Path, fields: Sequence[TrueField], classes: int, side: int) -> None:
    """Write fields, resized to `side` pixels, with `/cell_labels` (N, most cells, C) and `/labels` (N, 1, C) uint8."""
    most = max(len(field.cell_labels) for field in fields)
    cell_labels = np.zeros((len(fields), most, classes), np.uint8)
    labels = np.zeros((len(fields), classes), np.uint8)
    for row, field in enumerate(fields):
        for cell, shown in enumerate(field.cell_labels):
            cell_labels[row, cell, list(shown)] = 1
        labels[row] = cell_labels[row].max(0)
    arrays = {
        "images": np.stack([resize_field(field.image, side) for field in fields]),
        "cells": np.stack([field.cells for field in fields]),
        "cell_labels": cell_labels,
        "labels": labels.reshape(len(fields), 1, -1),
        "height": np.array([field.cells.shape[0] for field in fields]),
        "width": np.array([field.cells.shape[1] for field in fields]),
    }
    write_shard(path, [field.id for field in fields], arrays, {})


def label_table(store: Path, classes: Sequence[str]) -> pd.DataFrame:
    """Return `ID` and one column per class: the labels of all fields of a shard."""
    reader = ShardReader([store])
    table = pd.DataFrame(
        [reader.read(field_id, "labels")[0] for field_id in reader.ids], columns=list(classes)
    )
    table.insert(0, "ID", reader.ids)
    return table


def true_cells(reader: ShardReader, ids: Sequence[str], cells: np.ndarray) -> np.ndarray:
    """Return the true labels (n, C) uint8 of these cells, by their fields and numbers."""
    of_field = {field_id: reader.read(field_id, "cell_labels") for field_id in dict.fromkeys(ids)}
    return np.stack([of_field[field_id][cell - 1] for field_id, cell in zip(ids, cells, strict=True)])
