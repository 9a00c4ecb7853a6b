"""The files of a small shard as the viewer reads them, made without a network."""

import base64
import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from helpers.inference_data import CLASSES, SIZE, write_data

from puzzlecell.config.ensemble import EnsembleMember, EnsembleSettings
from puzzlecell.config.segmentation import QualitySettings
from puzzlecell.config.view import ViewSettings
from puzzlecell.data.rle import encode_mask
from puzzlecell.data.store import ShardReader, write_shard
from puzzlecell.data.tables import probability_table, write_parquet
from puzzlecell.ensemble.answer import write_answer
from puzzlecell.segmentation.cell_table import CELL_COLUMNS, cell_table
from puzzlecell.viewer.cells import EnsembleRules, ShardFiles
from puzzlecell.viewer.shard import ShardFacts, ShardView

MEMBERS = (("net", "stage2", 1, 1.0), ("net", "stage3", 1, 3.0), ("net", "pupil", 2, 2.0))
SETTINGS = ViewSettings(tile=32, field_tile=64, quality=100)
ENSEMBLE = EnsembleSettings(
    combine="product",
    members=tuple(
        EnsembleMember(model=model, stage=stage, step=step, weight=weight)
        for model, stage, step, weight in MEMBERS
    ),
    image_fusion={"source": "image", "how": "product", "weight": 0.7},
)


def write_view_shard(folder: Path, name: str = "000", fields: int = 5, first: int = 0) -> ShardFiles:
    """Write all files of a shard; field 2 of the first shard has no cells, field 3 one cell of one pixel."""
    folder.mkdir(exist_ok=True)
    store, masks = write_data(folder, fields, name, first) if fields else _write_none(folder, name)
    fields_of, labels = ShardReader([store]), ShardReader([masks])
    tables = [
        cell_table(
            field_id,
            fields_of.read(field_id),
            labels.read(field_id, "cells"),
            labels.read(field_id, "nuclei"),
            QualitySettings(),
            height=2 * SIZE,
            width=2 * SIZE,
        )
        for field_id in fields_of.ids
    ]
    cells = (
        pd.concat(tables, ignore_index=True)
        if tables
        else pd.DataFrame(columns=list(CELL_COLUMNS)).astype(CELL_COLUMNS)
    )
    write_parquet(folder / f"{name}.cells.parquet", cells)
    random = np.random.default_rng(first + 1)

    def predicted(path: Path, keys: dict) -> Path:
        count = len(keys["ID"])
        # In another order than the cells.
        table = probability_table(keys, random.random((count, len(CLASSES))) ** 2)
        write_parquet(path, table.sample(frac=1, random_state=1, ignore_index=True))
        return path

    keys = {"ID": cells["ID"].tolist(), "cell": cells["cell"].to_numpy()}
    members = [
        predicted(folder / f"{name}.{stage}.step{step}.parquet", keys) for _, stage, step, _ in MEMBERS
    ]
    images = [predicted(folder / f"{name}.{stage}.images.parquet", {"ID": fields_of.ids}) for stage in "ab"]
    return ShardFiles(store, masks, folder / f"{name}.cells.parquet", members, images)


def add_cams(files: ShardFiles) -> ShardFiles:
    """Give a shard class activation maps: the classes 1 and 3 of its first field."""
    path = Path(files.cells).with_name("cams.h5")
    maps = np.zeros((1, len(CLASSES), 6, 6), np.uint16)
    maps[0, 1, 0, 0], maps[0, 3] = 65535, 65535
    chosen = np.array([[0, 1, 0, 1]], np.uint8)
    write_shard(path, ShardReader([files.store]).ids[:1], {"maps": maps, "chosen": chosen}, {})
    return replace(files, cams=path)


def _write_none(folder: Path, name: str) -> tuple[Path, Path]:
    """Store and masks without fields."""
    sides = {"height": np.zeros(0, np.int64), "width": np.zeros(0, np.int64)}
    store, masks = folder / f"{name}.h5", folder / f"{name}.masks.h5"
    write_shard(store, [], {"images": np.zeros((0, SIZE, SIZE, 4), np.uint8), **sides}, {})
    labels = np.zeros((0, SIZE, SIZE), np.uint16)
    write_shard(masks, [], {"cells": labels, "nuclei": labels, **sides}, {})
    return store, masks


def shard_view(files: ShardFiles, settings=SETTINGS, calibration=None, **facts) -> ShardView:
    """The viewer's part of a shard."""
    rules = EnsembleRules(ENSEMBLE, CLASSES, CLASSES.index("Negative"), calibration)
    return ShardView(files, rules, settings, ShardFacts(**{"shards": 1, **facts}))


def answer(path: Path, shards: list[ShardFiles], calls=None) -> pd.DataFrame:
    """The table `results/cells/<ds>.parquet` of these shards, as the rule `ensemble` writes it."""
    write_answer(
        path,
        cell_tables=[files.cells for files in shards],
        member_tables=[files.members[number] for number in range(len(MEMBERS)) for files in shards],
        image_tables=[files.images[number] for number in range(2) for files in shards],
        settings=ENSEMBLE,
        negative=CLASSES.index("Negative"),
        calls=calls,
    )
    return pd.read_parquet(path)


def write_truth(path: Path, files: ShardFiles, shown: dict[tuple[str, int], list[int]]) -> Path:
    """Write a table of true cells that are the cells of the label images. shown: classes of cells (ID, number)."""
    labels, rows = ShardReader([files.masks]), []
    for field_id in labels.ids:
        image = cv2.resize(
            labels.read(field_id, "cells"), (2 * SIZE, 2 * SIZE), interpolation=cv2.INTER_NEAREST_EXACT
        )
        texts = [
            f"{index} 1 {encode_mask(image == number)}"
            for (name, number), classes in shown.items()
            if name == field_id
            for index in classes
        ]
        rows.append((field_id, 2 * SIZE, 2 * SIZE, " ".join(texts)))
    pd.DataFrame(rows, columns=["ID", "ImageWidth", "ImageHeight", "PredictionString"]).to_csv(
        path, index=False
    )
    return path


def decoded(path: Path) -> tuple[str, dict, dict[str, np.ndarray]]:
    """Name, content and columns of a chunk that was written."""
    text = path.read_text(encoding="utf-8")
    assert text.startswith("puzzlecell.receive(")
    call, _, seal = text.rstrip("\n").rpartition("\n")
    assert call.endswith(");")
    assert seal.startswith("//puzzlecell-xxh3:")
    name, content = json.loads(f"[{call[len('puzzlecell.receive(') : -2]}]")
    types = {"u8": "u1", "u16": "<u2", "u32": "<u4", "i32": "<i4", "f32": "<f4"}
    columns = {
        key: np.frombuffer(base64.b64decode(encoded), types[kind])
        for key, (kind, encoded) in content.pop("columns").items()
    }
    return name, content, columns
