"""Small cells with soft targets on the fields of `training_data`, and training runs on their crops."""

from pathlib import Path

import numpy as np
import pandas as pd
from helpers.training_data import CLASSES, SIZE, make_run

from puzzlecell.config.steps import Step2Settings
from puzzlecell.data.cell_crops import crop_geometry
from puzzlecell.data.store import write_shard
from puzzlecell.data.tables import probability_columns, write_parquet
from puzzlecell.training.run import CellData, TrainingRun, cell_table

BOXES = {1: (0, 20, 0, 24), 2: (4, 30, 26, 50), 4: (34, 60, 10, 40)}
"""Cells of each field: rows and columns. There is no cell 3."""


def write_targets(folder: Path, store: Path, fields: pd.DataFrame) -> tuple[Path, Path]:
    """Write the label images of the fields and the targets of their cells: paths of the masks and of the targets.

    Cells of field f00 are in no fold. A class that the field lacks is 0; some of the others do not count.
    """
    labels = np.zeros((SIZE, SIZE), np.uint16)
    for number, (top, bottom, left, right) in BOXES.items():
        labels[top:bottom, left:right] = number
    ids = fields["ID"].tolist()
    sides = np.full(len(ids), SIZE)
    shard = folder / "masks.h5"
    write_shard(shard, ids, {"cells": np.stack([labels] * len(ids)), "height": sides, "width": sides}, {})
    random = np.random.default_rng(1)
    rows = fields.loc[fields.index.repeat(len(BOXES))].reset_index(drop=True)
    targets = rows[CLASSES].to_numpy(np.float32) * random.uniform(0.3, 1, (len(rows), len(CLASSES))).astype(
        "f4"
    )
    targets[random.random(targets.shape) < 0.1] = np.nan
    targets[::5] = np.where(np.isnan(targets[::5]), 1, targets[::5])
    table = pd.DataFrame(targets, columns=probability_columns(len(CLASSES)))
    table.insert(0, "fold", np.where(rows["ID"] == "f00", 0, rows["fold"]).astype(np.int32))
    table.insert(0, "cell", np.tile(np.array(list(BOXES), np.int32), len(fields)))
    table.insert(0, "ID", pd.array(rows["ID"], dtype=object))
    write_parquet(folder / "targets.parquet", table)
    return shard, folder / "targets.parquet"


def cell_run(
    store: Path, masks: Path, targets: Path, output: Path, changes: dict | None = None, **given
) -> TrainingRun:
    """A run of a very small network on crops of 32 pixels; `changes` modify its settings."""
    plain = make_run(store, cell_table([targets], 2, [store], CLASSES), output, changes, **given)
    settings = plain.settings.model_copy(
        update={"puzzle": plain.settings.puzzle.model_copy(update={"pieces": 0})}
    )
    geometry = crop_geometry(Step2Settings(), settings.input.field_size, settings.input.crop_size)
    return TrainingRun(
        **{**plain.__dict__, "settings": settings, "cells": given.get("cells", CellData([masks], geometry))}
    )
