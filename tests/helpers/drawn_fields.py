"""Drawn fields of round cells in a store, with their label images and cell table."""

from pathlib import Path

import numpy as np
import pandas as pd

from puzzlecell.config.segmentation import QualitySettings
from puzzlecell.data.store import write_shard
from puzzlecell.data.tables import write_csv, write_parquet
from puzzlecell.segmentation.cell_table import CELL_COLUMNS, cell_table

SIDE = 64
CENTRES = [(14, 14), (14, 46), (46, 14), (46, 46)]


def draw(
    random: np.random.Generator, *, red: float = 1.0, size: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """A field (SIDE, SIDE, 4) uint8 and its label images (2, SIDE, SIDE) uint16 of four cells and their nuclei.

    red: factor of the red channel; size: factor of the diameters.
    """
    rows, columns = np.mgrid[:SIDE, :SIDE]
    labels = np.zeros((2, SIDE, SIDE), np.uint16)
    field = np.full((SIDE, SIDE, 4), 10.0)
    for number, (y, x) in enumerate(CENTRES, start=1):
        distance = np.hypot(rows - y - random.uniform(-2, 2), columns - x - random.uniform(-2, 2))
        radius = size * random.uniform(8, 11)
        cell, nucleus = distance < radius, distance < radius / 2
        labels[0][cell], labels[1][nucleus] = number, number
        field[cell] += random.uniform(0.8, 1.2) * np.array([60 * red, 40, 5, 60])
        field[nucleus, 2] += 90 * random.uniform(0.8, 1.2)
    field += random.normal(0, 3, field.shape)
    return field.clip(0, 255).astype(np.uint8), labels


def write_world(
    folder: Path, fields: int, seed: int, *, empty: int = 0, **kind: float
) -> tuple[Path, Path, Path]:
    """Write a shard of fields `w<seed>_<number>` with label images and cell table; the last `empty` have no cells.

    kind: arguments of `draw`. Returns the paths of the store, the label images and the cell table.
    """
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    ids = [f"w{seed}_{number}" for number in range(fields)]
    drawn = [draw(random, **kind) for _ in ids]
    images, labels = (np.stack(part) for part in zip(*drawn, strict=True))
    labels[fields - empty :] = 0
    sizes = {"height": np.full(fields, 2 * SIDE), "width": np.full(fields, 2 * SIDE)}
    store, masks, table = folder / "store.h5", folder / "masks.h5", folder / "cells.parquet"
    write_shard(store, ids, {"images": images, **sizes}, {})
    write_shard(masks, ids, {"cells": labels[:, 0], "nuclei": labels[:, 1], **sizes}, {})
    tables = [
        cell_table(field_id, image, *pair, QualitySettings(), height=2 * SIDE, width=2 * SIDE)
        for field_id, image, pair in zip(ids, images, labels, strict=True)
    ]
    write_parquet(table, pd.concat(tables, ignore_index=True)[list(CELL_COLUMNS)])
    return store, masks, table


def write_fold_table(path: Path, ids: list[str], fold: int = 1, dataset: str = "train") -> Path:
    """A table of folds in which all fields are in one fold."""
    write_csv(path, pd.DataFrame({"ID": ids, "dataset": dataset, "fold": fold}))
    return path
