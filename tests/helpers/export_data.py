"""The files of a small made-up run that files for other tools are written from."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from puzzlecell.data.embedding_file import embedding_writer
from puzzlecell.data.store import write_shard
from puzzlecell.data.tables import probability_columns, probability_table, read_parquet, write_parquet

CLASSES = ["Nucleoplasm", "cell", "Golgi, <b>big</b>", "Negative"]
"""Names that are like columns, and that need quotes or look like HTML."""
IDS = [["plate 1 (well A1)#1", "ä_2"], ["third", "empty"]]
"""Fields of each shard; the last has no cells."""
SIZE, HEIGHT, WIDTH = 32, 64, 48
STEPS = (1, 1, 2)
METADATA = {"well": "A1", "quality": "good"}
"""Metadata of all fields; one column is called like a column that is added."""


@dataclass(frozen=True)
class ExportData:
    """Paths, and what is in the files."""

    stores: list[Path]
    masks: list[Path]
    cell_tables: list[Path]
    members: list[tuple[int, list[Path]]]
    answer: Path
    table: pd.DataFrame
    labels: dict[str, np.ndarray]
    nuclei: dict[str, np.ndarray]
    images: dict[str, np.ndarray]


def label_image() -> np.ndarray:
    """(32, 32) uint16: a cell with two holes, one of two pieces that touch at a corner, one in a hole, a square."""
    cells = np.zeros((SIZE, SIZE), np.uint16)
    cells[2:14, 2:14] = 1
    cells[4:9, 4:9] = 0
    cells[10:12, 10:12] = 0
    cells[5:7, 5:8] = 3
    cells[16:20, 16:20] = 2
    cells[20:24, 20:24] = 2
    cells[25:31, 1:7] = 4
    return cells


def write_export_data(folder: Path, *, calibrated: bool = True) -> ExportData:
    """Write stores, masks, tables of cells, predictions of members and the table of a data set with two shards."""
    random = np.random.default_rng(3)
    folder.mkdir(parents=True, exist_ok=True)
    labels, nuclei, images = {}, {}, {}
    paths: dict[str, list[Path]] = {name: [] for name in ("stores", "masks", "cell_tables")}
    members: list[tuple[int, list[Path]]] = [(step, []) for step in STEPS]
    parts = []
    for shard, ids in enumerate(IDS):
        for field_id in ids:
            cells = label_image() if field_id != "empty" else np.zeros((SIZE, SIZE), np.uint16)
            core = np.zeros_like(cells)
            core[26:29, 2:5] = cells[26:29, 2:5]
            labels[field_id], nuclei[field_id] = cells, core
            images[field_id] = random.integers(0, 256, (SIZE, SIZE, 4), dtype=np.uint8)
        sizes = {"height": np.full(len(ids), HEIGHT), "width": np.full(len(ids), WIDTH)}
        paths["stores"].append(folder / f"store{shard}.h5")
        write_shard(
            paths["stores"][-1],
            ids,
            {
                "images": np.stack([images[name] for name in ids]),
                **sizes,
                "pixel_size_um": np.full(len(ids), 0.1),
            },
            {},
        )
        paths["masks"].append(folder / f"masks{shard}.h5")
        pictures = {
            "cells": np.stack([labels[name] for name in ids]),
            "nuclei": np.stack([nuclei[name] for name in ids]),
        }
        write_shard(paths["masks"][-1], ids, {**pictures, **sizes}, {})
        table = _cell_table([name for name in ids if name != "empty"], random)
        paths["cell_tables"].append(folder / f"cells{shard}.parquet")
        write_parquet(paths["cell_tables"][-1], table)
        keys = {"ID": table["ID"].to_numpy(object), "cell": table["cell"].to_numpy()}
        for number, (_, written) in enumerate(members):
            written.append(folder / f"member{number}.{shard}.parquet")
            values = probability_table(keys, random.random((len(table), len(CLASSES))))
            # Rows of members may come in any order.
            write_parquet(written[-1], values.iloc[::-1].reset_index(drop=True))
        parts.append(table)
    answer = _answer(pd.concat(parts, ignore_index=True), random, calibrated=calibrated)
    write_parquet(folder / "answer.parquet", answer)
    return ExportData(
        **paths,
        members=members,
        answer=folder / "answer.parquet",
        table=answer,
        labels=labels,
        nuclei=nuclei,
        images=images,
    )


def _cell_table(ids: list[str], random: np.random.Generator) -> pd.DataFrame:
    numbers = [1, 2, 3, 4]
    rows = len(ids) * len(numbers)
    return pd.DataFrame(
        {
            "ID": pd.array(np.repeat(ids, len(numbers)), dtype=object),
            "cell": np.tile(np.array(numbers, np.int32), len(ids)),
            "area_px": random.integers(10, 900, rows),
            "centroid_y": random.uniform(0, HEIGHT, rows),
            "centroid_x": random.uniform(0, WIDTH, rows),
            "touches_border": random.random(rows) < 0.5,
            "border_quality": random.random(rows),
            "outlier_quality": random.random(rows),
        }
    )


def _answer(cells: pd.DataFrame, random: np.random.Generator, *, calibrated: bool) -> pd.DataFrame:
    values = random.random((len(cells), len(CLASSES)), np.float32)
    values[1] = 0
    columns = probability_columns(len(CLASSES))
    found = pd.concat([cells, pd.DataFrame(values, columns=columns)], axis=1)
    if calibrated:
        names = [f"c{name[1:]}" for name in columns]
        found = pd.concat([found, pd.DataFrame(values / 2, columns=names)], axis=1)
        found["calls"] = np.where(values[:, 0] > 0.5, "Nucleoplasm|cell", "uncertain")
    found["unlike_training"] = np.where(np.arange(len(cells)) == 2, np.nan, 0.5).astype(np.float32)
    return found.assign(**METADATA)


def write_embeddings(data: ExportData, folder: Path) -> tuple[list[Path], np.ndarray]:
    """Write embeddings of all cells, one file per shard; return their paths and the numbers (n, 3)."""
    random, paths, parts = np.random.default_rng(5), [], []
    for number, cells in enumerate(map(read_parquet, data.cell_tables)):
        parts.append(random.normal(size=(len(cells), 3)).astype(np.float16))
        paths.append(folder / f"embeddings{number}.h5")
        with embedding_writer(paths[-1], cells, 3, {}) as out:
            out.write(cells["ID"].tolist(), cells["cell"].tolist(), parts[-1])
    return paths, np.concatenate(parts)
