"""The predictions of a data set as an AnnData file, which scanpy, R and many other tools open."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from puzzlecell.data.cell_predictions import aligned, cell_quality
from puzzlecell.data.embedding_file import EmbeddingReader
from puzzlecell.data.image_table import RESERVED
from puzzlecell.data.pixel_sizes import PixelSizes
from puzzlecell.data.store import ShardReader
from puzzlecell.data.tables import probability_columns, read_parquet
from puzzlecell.errors import UserError
from puzzlecell.formats.anndata_file import (
    key_of,
    new_array,
    new_categorical,
    new_group,
    new_table,
    new_texts,
    open_new,
    write_number,
    write_table,
    write_text,
    write_texts,
)
from puzzlecell.formats.answer import Answer, most_probable, opened_answer
from puzzlecell.formats.answer_columns import CALLS, free_names
from puzzlecell.runtime.checksums import written_with_checksum
from puzzlecell.runtime.progress import Progress

AnyPath = str | os.PathLike
ADDED = ("ID", "cell", "most_probable", "quality", "pixel_size_um")
"""Columns of `obs` besides those of the table of cells."""


@dataclass(frozen=True)
class RunFacts:
    """What the file says of the run: settings that decide the predictions, versions of programs."""

    settings: Mapping[str, object]
    versions: Mapping[str, str]


def export_h5ad(
    path: AnyPath,
    answer_path: AnyPath,
    *,
    stores: Sequence[AnyPath],
    cell_tables: Sequence[AnyPath],
    members: Sequence[tuple[int, Sequence[AnyPath]]],
    embeddings: Mapping[str, Sequence[AnyPath]],
    pixel_sizes: PixelSizes,
    classes: Sequence[str],
    facts: RunFacts,
    progress: Progress,
) -> None:
    """Write an AnnData file with one observation per cell and one variable per class, shard by shard.

    answer_path: table of cells with the probabilities of the ensemble. stores, cell_tables: one per shard. members:
    step and tables, one per shard, of each ensemble member. embeddings: files, one per shard, by the member
    `<model>.<stage>` that they are of. pixel_sizes: what is stated about the fields. Raises UserError if the tables are
    of other cells or classes, and the errors of `read_parquet`.

    - `X` (n, C) float32: probabilities; `var`: names of the classes.
    - `obs`: field, cell, calls, most probable class, quality, size and metadata of each cell, under names `ID:cell`.
    - `obsm`: `spatial` (n, 2) float64, centroids (x, y) in pixels of the raw field; `step1` and `step2` (n, C) float32,
      means of the members of each step; `X_<model>.<stage>` (n, D) float32, embeddings.
    - `layers["calibrated"]` (n, C) float32, if the run is calibrated.
    - `uns`: `fields` (size in pixels and pixel size of each), `pixel_size_um` (NaN if fields differ), `versions`,
      `settings` (JSON), `dataset`, `classes`.
    """
    store = ShardReader(stores)
    sizes = pd.Series(pixel_sizes.of(store.table), store.table.index)
    steps = sorted({step for step, _ in members})
    with (
        opened_answer(answer_path, len(classes)) as answer,
        written_with_checksum(path, lines=False) as temporary,
        open_new(temporary) as file,
    ):
        new_group(file, "varm"), new_group(file, "varp"), new_group(file, "obsp")
        write_table(file, "var", classes, {})
        uns = new_group(file, "uns")
        write_text(uns, "dataset", Path(path).stem)
        write_texts(uns, "classes", classes)
        _write_run(uns, store, sizes.to_numpy(), facts)
        shape = (answer.rows, len(classes))
        arrays = {"X": new_array(file, "X", shape, np.float32)}
        layers, obsm = new_group(file, "layers"), new_group(file, "obsm")
        if answer.columns.calibrated:
            arrays["calibrated"] = new_array(layers, "calibrated", shape, np.float32)
        arrays["spatial"] = new_array(obsm, "spatial", (answer.rows, 2), np.float64)
        for step in steps:
            arrays[f"step{step}"] = new_array(obsm, f"step{step}", shape, np.float32)
        kept = {name: _Embeddings(obsm, name, answer.rows, paths) for name, paths in embeddings.items()}
        observations = _Observations(file, answer, store, classes)
        start = 0
        for shard, part in enumerate(answer.shards(cell_tables)):
            rows = slice(start, start + len(part))
            start = rows.stop
            if not len(part):
                continue
            arrays["X"][rows] = part[list(answer.columns.probabilities)].to_numpy(np.float32)
            if answer.columns.calibrated:
                arrays["calibrated"][rows] = part[list(answer.columns.calibrated)].to_numpy(np.float32)
            arrays["spatial"][rows] = part[["centroid_x", "centroid_y"]].to_numpy(np.float64)
            for step in steps:
                tables = [paths[shard] for number, paths in members if number == step]
                arrays[f"step{step}"][rows] = _mean(tables, part, len(classes))
            for of_member in kept.values():
                of_member.write(rows, part, shard)
            observations.write(rows, part, sizes)
            progress(start, answer.rows, "cells")


class _Observations:
    """The table `obs` of an open file."""

    def __init__(self, file: h5py.File, answer: Answer, store: ShardReader, classes: Sequence[str]):
        columns = answer.columns
        self._columns, self._rows, self._store = columns, answer.rows, store
        own = [*ADDED[:2], *([CALLS] if columns.calls else []), *ADDED[2:], *columns.cell]
        metadata = [key_of(name) for name in columns.metadata]
        taken = {*own, *RESERVED, *ADDED}
        self._metadata = dict(zip(columns.metadata, free_names(metadata, taken, "metadata"), strict=True))
        self._group = new_table(file, "obs", [*own, *self._metadata.values()])
        self._index = new_texts(self._group, "_index", answer.rows)
        self._codes: dict[str, tuple[h5py.Dataset, pd.Index]] = {}
        texts = {"ID": store.ids, **{name: answer.values(name) for name in columns.metadata}}
        if columns.calls:
            texts[CALLS] = answer.values(CALLS)
        for name, values in texts.items():
            codes = new_categorical(self._group, self._metadata.get(name, name), answer.rows, values)
            self._codes[name] = codes, pd.Index(values, dtype=object)
        self._most_probable = new_categorical(self._group, "most_probable", answer.rows, classes)

    def write(self, rows: slice, part: pd.DataFrame, sizes: pd.Series) -> None:
        """Write the rows of a shard. sizes: pixel size of each field, by ID."""
        ids = part["ID"].to_numpy(object)
        self._index[rows] = np.array(
            [f"{field_id}:{cell}" for field_id, cell in zip(ids, part["cell"].tolist(), strict=True)],
            dtype=object,
        )
        for name, (codes, values) in self._codes.items():
            codes[rows] = values.get_indexer(part[name].to_numpy(object))
        self._most_probable[rows] = most_probable(part[list(self._columns.probabilities)].to_numpy())
        numbers = {
            "cell": part["cell"].to_numpy(),
            "quality": cell_quality(part),
            "pixel_size_um": sizes.loc[ids].to_numpy(),
            **{name: part[name].to_numpy() for name in self._columns.cell},
        }
        for name, values in numbers.items():
            if name not in self._group:
                new_array(self._group, name, (self._rows,), values.dtype)
            self._group[name][rows] = values


class _Embeddings:
    """The array `obsm["X_<member>"]` of an open file; scanpy calls representations of cells so."""

    def __init__(self, obsm: h5py.Group, member: str, rows: int, paths: Sequence[AnyPath]):
        self._paths = paths
        width = EmbeddingReader(paths[0]).width
        self._array = new_array(obsm, f"X_{member}", (rows, width), np.float32)

    def write(self, rows: slice, part: pd.DataFrame, shard: int) -> None:
        """Write the rows of a shard, block by block. Raises UserError if the file has other cells or lengths."""
        reader = EmbeddingReader(self._paths[shard])
        same = len(reader) == len(part) and reader.width == self._array.shape[1]
        if (
            not same
            or not (
                (reader.ids == part["ID"].to_numpy(object)) & (reader.cells == part["cell"].to_numpy())
            ).all()
        ):
            raise UserError(f"{reader.path}: embeddings of other cells; delete it and start again")
        for block, values in reader.blocks():
            self._array[rows.start + block.start : rows.start + block.stop] = values


def _mean(paths: Sequence[AnyPath], cells: pd.DataFrame, classes: int) -> np.ndarray:
    """Mean (n, C) float64 of the tables of members, in the order of the cells."""
    columns = probability_columns(classes)
    values = [aligned(read_parquet(path), cells, columns, ["ID", "cell"], "member") for path in paths]
    return np.mean(values, axis=0)


def _write_run(group: h5py.Group, store: ShardReader, sizes: np.ndarray, facts: RunFacts) -> None:
    fields = {
        "height": store.table["height"].to_numpy(),
        "width": store.table["width"].to_numpy(),
        "pixel_size_um": sizes,
    }
    write_table(group, "fields", store.ids, fields)
    write_number(group, "pixel_size_um", float(sizes[0]) if len(set(sizes.tolist())) == 1 else np.nan)
    write_text(group, "settings", json.dumps(dict(facts.settings), ensure_ascii=False, sort_keys=True))
    versions = new_group(group, "versions")
    for name, text in facts.versions.items():
        write_text(versions, name, text)
