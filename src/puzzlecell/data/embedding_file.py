"""Files of embeddings of cells, one per shard (HDF5): `ID`, `cell` and `embedding` (n, D) float16.

Rows are in the order of the table of cells. `embedding_xxh3` has a checksum of each block of rows, and the attribute
`checksum` covers all arrays but the embeddings, so that a part of a file can be read and still be checked.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from puzzlecell.data.store import CHECKSUMS, ShardReader, text_column
from puzzlecell.errors import DamagedFileError, UserError
from puzzlecell.regular_file import file_problem
from puzzlecell.runtime.atomic import written_whole
from puzzlecell.runtime.checksums import array_checksum, check_place, columns_checksum, place_in_results

BLOCK = 1024
"""Rows of a block."""
EMBEDDING = "embedding"


class EmbeddingWriter:
    """Writes the rows of an open file in any order; see `embedding_writer`."""

    def __init__(self, path: str | os.PathLike, array: h5py.Dataset, cells: pd.DataFrame):
        self._path, self._array = path, array
        keys = zip(cells["ID"].tolist(), cells["cell"].tolist(), strict=True)
        self._row = {key: row for row, key in enumerate(keys)}
        if len(self._row) < len(cells):
            raise ValueError(f"{path}: cells occur twice in the table of cells")
        self._missing = set(self._row)

    def write(self, ids: Sequence[str], cells: Sequence[int], values: np.ndarray) -> None:
        """Write the embeddings (n, D) of cells.

        Raises ValueError for a cell that is not in the table or was written before, and UserError for embeddings that
        float16 cannot hold.
        """
        keys = list(zip(ids, (int(cell) for cell in cells), strict=True))
        unknown = [key for key in keys if key not in self._missing]
        if unknown or len(set(keys)) < len(keys):
            shown = "cell {1} of field {0}".format(*(unknown or keys)[0])
            raise ValueError(
                f"{self._path}: {shown} is not in the table of cells, or was written twice: was the table made with "
                "other masks?"
            )
        if not keys:
            return
        with np.errstate(over="ignore"):
            kept = values.astype(np.float16)
        poor = ~np.isfinite(kept).all(axis=1)
        if poor.any():
            shown = "cell {1} of field {0}".format(*keys[int(poor.argmax())])
            raise UserError(
                f"{shown}: its embedding has values that are not finite, or too large for float16 (above 65504)"
            )
        rows = np.array([self._row[key] for key in keys])
        order = np.argsort(rows)
        # Neighbouring rows together, since HDF5 takes long for a list of single rows.
        for run in np.split(order, np.flatnonzero(np.diff(rows[order]) != 1) + 1):
            self._array[rows[run[0]] : rows[run[-1]] + 1] = kept[run]
        self._missing.difference_update(keys)

    def check_complete(self) -> None:
        """Raise ValueError if a cell of the table has not been written."""
        if self._missing:
            shown = "cell {1} of field {0}".format(*min(self._missing))
            raise ValueError(
                f"{self._path}: {len(self._missing)} cells of the table of cells were not found, such as {shown}: was "
                "the table made with other masks?"
            )


@contextmanager
def embedding_writer(
    path: str | os.PathLike, cells: pd.DataFrame, width: int, attributes: Mapping[str, str]
) -> Iterator[EmbeddingWriter]:
    """Write a file atomically: the block writes the embedding (width,) of every cell, in any order.

    cells: table with `ID` and `cell`, whose order the rows have. attributes: texts that say what the numbers are.
    Raises ValueError if a cell was not written.
    """
    with written_whole(path) as temporary, h5py.File(temporary, "w", libver="v110") as file:
        for name, text in {**attributes, "place": place_in_results(path) or "-"}.items():
            file.attrs[name] = np.bytes_(text.encode())
        shape = (len(cells), width)
        chunks = {"chunks": (min(BLOCK, len(cells)), width)} if len(cells) else {}
        array = file.create_dataset(EMBEDDING, shape=shape, dtype=np.float16, **chunks)
        writer = EmbeddingWriter(path, array, cells)
        yield writer
        writer.check_complete()
        file.create_dataset("ID", data=text_column(cells["ID"].tolist()))
        file.create_dataset("cell", data=cells["cell"].to_numpy(np.int32))
        blocks = [array_checksum(array[start : start + BLOCK]) for start in range(0, len(cells), BLOCK)]
        file.create_dataset(EMBEDDING + CHECKSUMS, data=np.array(blocks, np.uint64))
        file.attrs["checksum"] = np.bytes_(columns_checksum(_columns(file)).encode())


class EmbeddingReader:
    """Reads a file of `embedding_writer`, block by block.

    Attributes: `ids` (n,) texts, `cells` (n,) int32, `width`; `masks` and `network`, the digests of what the embeddings
    were made of, empty if the file does not say. Opening and reading raise DamagedFileError if the file
    has changed since it was written.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        problem = file_problem(path)
        if problem:
            raise UserError(f"{path}: {problem}")
        try:
            with h5py.File(path) as file:
                columns = _columns(file)
                saved, place = (file.attrs[name].decode() for name in ("checksum", "place"))
                rows, self.width = file[EMBEDDING].shape
                kind = file[EMBEDDING].dtype
                self.masks, self.network = (
                    file.attrs.get(name, b"").decode() for name in ("masks", "network")
                )
        except (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, MemoryError) as error:
            raise DamagedFileError(path, f"it cannot be read as HDF5 ({error})") from error
        if saved != columns_checksum(columns) or rows != len(columns["ID"]) or kind != np.float16:
            raise DamagedFileError(path, "its checksum does not match")
        check_place(path, "" if place == "-" else place)
        self.ids = np.array([text.decode() for text in columns["ID"].tolist()], dtype=object)
        self.cells = columns["cell"]
        self._checksums = columns[EMBEDDING + CHECKSUMS]

    def __len__(self) -> int:
        return len(self.cells)

    def blocks(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield rows and their embeddings (at most BLOCK, D) float16, from the first to the last."""
        yield from self._read(range(len(self._checksums)))

    def rows(self, wanted: np.ndarray) -> np.ndarray:
        """Embeddings (n, D) float16 of rows in increasing order; only the blocks that have them are read."""
        found = [np.empty((0, self.width), np.float16)]
        for rows, values in self._read(np.unique(wanted // BLOCK)):
            found.append(values[wanted[(wanted >= rows.start) & (wanted < rows.stop)] - rows.start])
        return np.concatenate(found)

    def _read(self, numbers: Sequence[int] | np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
        with h5py.File(self.path) as file:
            for number in numbers:
                rows = slice(number * BLOCK, min((number + 1) * BLOCK, len(self)))
                try:
                    values = file[EMBEDDING][rows]
                except (OSError, RuntimeError) as error:
                    raise DamagedFileError(
                        self.path, f"rows {rows.start} to {rows.stop} cannot be read"
                    ) from error
                if array_checksum(values) != self._checksums[number]:
                    raise DamagedFileError(
                        self.path, f"rows {rows.start} to {rows.stop} do not match their checksum"
                    )
                yield rows, values


def masks_state(masks: ShardReader) -> str:
    """Digest of the label images of the cells of a shard, kept as the attribute `masks` of a file."""
    return columns_checksum({"cells": masks.checksums("cells")})


def is_embedding_file(path: str | os.PathLike) -> bool:
    """Whether an HDF5 file has embeddings of cells rather than images."""
    try:
        with h5py.File(path) as file:
            return EMBEDDING in file
    except OSError:
        return False


def _columns(file: h5py.File) -> dict[str, np.ndarray]:
    return {name: file[name][()] for name in ("ID", "cell", EMBEDDING + CHECKSUMS)}
