"""Sharded HDF5 files of fields (`results/store`) and label images (`results/masks`), with one chunk per field.

A shard contains `/id` (N) text and arrays whose first axis runs over the fields in that order. A field belongs to shard
crc32(ID) mod number of shards, so that adding a field changes only one shard.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np
import pandas as pd

from puzzlecell.runtime.atomic import written_whole
from puzzlecell.runtime.messages import first_few

# Images are read millions of times: Zstandard decompresses five times as fast as gzip at the same file size.
COMPRESSION = {**hdf5plugin.Zstd(clevel=1), "shuffle": True}


def write_shard(
    path: str | os.PathLike,
    ids: Sequence[str],
    arrays: Mapping[str, np.ndarray],
    attributes: Mapping[str, object],
) -> None:
    """Write a shard atomically.

    arrays: name -> (N, ...) array; arrays with three or more axes are images, stored compressed with one chunk per
    field. Raises ValueError if an array does not have one entry per ID.
    """
    with written_whole(path) as temporary, h5py.File(temporary, "w", libver="v110") as file:
        file.attrs.update(attributes)
        file.create_dataset("id", data=np.array(ids, dtype=object), dtype=h5py.string_dtype())
        for name, array in arrays.items():
            if len(array) != len(ids):
                raise ValueError(f"{path}: /{name} has {len(array)} entries for {len(ids)} IDs")
            if array.ndim >= 3 and len(array):
                file.create_dataset(name, data=array, chunks=(1, *array.shape[1:]), **COMPRESSION)
            else:
                file.create_dataset(name, data=array)


class ShardReader:
    """Reads arrays of one or more shards of a data set by field ID.

    Each array is opened on first access in each process and stays open: HDF5 handles do not survive a fork, and opening
    one costs as much as reading an image.
    """

    def __init__(self, paths: Iterable[str | os.PathLike]):
        self.paths = [Path(path) for path in paths]
        tables = []
        for number, path in enumerate(self.paths):
            with h5py.File(path, "r") as file:
                columns = {n: d[:] for n, d in file.items() if d.ndim == 1 and n != "id"}
                ids = file["id"].asstr()[:] if len(file["id"]) else np.empty(0, dtype=object)
                tables.append(
                    pd.DataFrame(
                        {"ID": ids.astype(object), **columns, "file": number, "row": np.arange(len(ids))}
                    )
                )
        self.table = pd.concat(tables, ignore_index=True).set_index("ID")
        if not self.table.index.is_unique:
            twice = sorted(set(self.table.index[self.table.index.duplicated()]))
            raise ValueError(
                f"fields are stored twice in {', '.join(map(str, self.paths))}: {first_few(twice, 5)}"
            )
        self._place = dict(
            zip(
                self.table.index,
                zip(self.table["file"].tolist(), self.table["row"].tolist(), strict=True),
                strict=True,
            )
        )
        self._arrays: dict[tuple[int, str], h5py.Dataset] = {}
        self._process = os.getpid()

    @property
    def ids(self) -> list[str]:
        """IDs in the order of the shards and of their rows."""
        return list(self.table.index)

    def __len__(self) -> int:
        return len(self.table)

    def __contains__(self, field_id: str) -> bool:
        return field_id in self._place

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_arrays": {}, "_process": None}

    def read(self, field_id: str, name: str = "images") -> np.ndarray:
        """Return the entry of array `/name` for a field. Raises KeyError naming the files if it is not stored."""
        if field_id not in self._place:
            raise KeyError(f"no field {field_id} in {', '.join(map(str, self.paths))}")
        number, row = self._place[field_id]
        return self._open(number, name)[row]

    def get(self, field_id: str, name: str = "cells") -> np.ndarray | None:
        """Return the entry of array `/name` for a field, or None if the field is not stored."""
        return self.read(field_id, name) if field_id in self else None

    def size(self, field_id: str) -> tuple[int, int]:
        """Return (height, width) of the original field in pixels."""
        entry = self.table.loc[field_id]
        return int(entry["height"]), int(entry["width"])

    def _open(self, number: int, name: str) -> h5py.Dataset:
        if self._process != os.getpid():
            self._arrays, self._process = {}, os.getpid()
        if (number, name) not in self._arrays:
            self._arrays[number, name] = h5py.File(self.paths[number], "r")[name]
        return self._arrays[number, name]
