"""Sharded HDF5 files of fields (`results/store`) and label images (`results/masks`), with one chunk per field.

A shard contains `/id` (N) text and arrays whose first axis runs over the fields in that order. A field belongs to shard
crc32(ID) mod number of shards, so that adding a field changes only one shard. For each array of images there is an
array `<name>_xxh3` (N) uint64 of their checksums; an attribute `checksum` covers all other arrays.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np
import pandas as pd

from puzzlecell.errors import DamagedFileError, UserError
from puzzlecell.runtime.atomic import written_whole
from puzzlecell.runtime.bucket import BucketError, is_url
from puzzlecell.runtime.bucket_files import BucketFile
from puzzlecell.runtime.checksums import array_checksum, check_place, columns_checksum, place_in_results
from puzzlecell.runtime.messages import first_few

# Images are read millions of times: Zstandard decompresses five times as fast as gzip at the same file size.
COMPRESSION = {**hdf5plugin.Zstd(clevel=1), "shuffle": True}
CHECKSUMS = "_xxh3"
"""Ending of the names of the arrays with the checksums of images."""


class ShardWriter:
    """Writes a shard field by field; see `open_shard` and `shard_writer`."""

    def __init__(
        self,
        path: str | os.PathLike,
        file: h5py.File,
        most: int,
        images: Mapping[str, tuple[tuple[int, ...], np.dtype]],
    ):
        self._path, self._file, self._arrays = path, file, {}
        self.checksums = {name: np.zeros(most, np.uint64) for name in images}
        self.finished = False
        for name, (shape, dtype) in images.items():
            chunks = {"chunks": (1, *shape), **COMPRESSION} if most else {}
            self._arrays[name] = file.create_dataset(name, shape=(most, *shape), dtype=dtype, **chunks)

    def write(self, row: int, name: str, image: np.ndarray) -> None:
        """Write the image of a field into `/name`."""
        self._arrays[name][row] = image
        self.checksums[name][row] = array_checksum(image.astype(self._arrays[name].dtype, copy=False))

    def finish(self, ids: Sequence[str], columns: Mapping[str, np.ndarray]) -> None:
        """Write the IDs and columns of all rows; rows beyond them are dropped. Nothing can be written afterwards.

        columns: name -> small array (N, ...) of numbers. Raises ValueError if one does not have one entry per ID.
        """
        _check_lengths(self._path, ids, columns)
        for name, array in self._arrays.items():
            if len(ids) < len(array):
                array.resize(len(ids), axis=0)
            self.checksums[name] = self.checksums[name][: len(ids)]
        self._file.create_dataset("id", data=text_column(ids))
        for name, column in columns.items():
            self._file.create_dataset(name, data=column)
        for name, checksums in self.checksums.items():
            self._file.create_dataset(name + CHECKSUMS, data=checksums)
        self._file.attrs["checksum"] = _attribute(columns_checksum(_columns(self._file, self._arrays)))
        self.finished = True


@contextmanager
def open_shard(
    path: str | os.PathLike,
    most: int,
    images: Mapping[str, tuple[tuple[int, ...], np.dtype]],
    attributes: Mapping[str, object],
) -> Iterator[ShardWriter]:
    """Write a shard atomically, field by field: the block writes images row by row, then calls `finish`.

    most: number of rows that can be written; their final number is that of the IDs given to `finish`. images: name ->
    shape and type of one field's image; they are stored compressed with one chunk per field. Raises ValueError if
    `finish` was not called.
    """
    with written_whole(path) as temporary, h5py.File(temporary, "w", libver="v110") as file:
        for name, value in {**attributes, "place": place_in_results(path)}.items():
            file.attrs[name] = _attribute(value)
        writer = ShardWriter(path, file, most, images)
        yield writer
        if not writer.finished:
            raise ValueError(f"{path}: the IDs of the shard were not written")


@contextmanager
def shard_writer(
    path: str | os.PathLike,
    ids: Sequence[str],
    columns: Mapping[str, np.ndarray],
    images: Mapping[str, tuple[tuple[int, ...], np.dtype]],
    attributes: Mapping[str, object],
) -> Iterator[ShardWriter]:
    """Write a shard whose IDs and columns are known, as `open_shard`; the block writes an image for each row.

    Raises ValueError if a column does not have one entry per ID.
    """
    _check_lengths(path, ids, columns)
    with open_shard(path, len(ids), images, attributes) as writer:
        yield writer
        writer.finish(ids, columns)


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
    images = {name: array for name, array in arrays.items() if array.ndim >= 3}
    columns = {name: array for name, array in arrays.items() if array.ndim < 3}
    _check_lengths(path, ids, images)
    shapes = {name: (array.shape[1:], array.dtype) for name, array in images.items()}
    with shard_writer(path, ids, columns, shapes, attributes) as writer:
        for name, array in images.items():
            for row, image in enumerate(array):
                writer.write(row, name, image)


class ShardReader:
    """Reads arrays of one or more shards of a data set by field ID.

    Each array is opened on first access in each process and stays open: HDF5 handles do not survive a fork, and opening
    one costs as much as reading an image. Opening and reading raise DamagedFileError if a shard has changed since it
    was written. Of a shard in a bucket (a URL), all but the images can be read.
    """

    def __init__(self, paths: Iterable[str | os.PathLike]):
        self.paths = [path if is_url(path) else Path(path) for path in paths]
        tables = []
        self._checksums: list[dict[str, np.ndarray]] = []
        self._columns: list[dict[str, np.ndarray]] = []
        for number, path in enumerate(self.paths):
            columns = _read_columns(path)
            checksums = {name for name in columns if name.endswith(CHECKSUMS)}
            self._checksums.append({name.removesuffix(CHECKSUMS): columns.pop(name) for name in checksums})
            ids = np.array([text.decode() for text in columns.pop("id").tolist()], dtype=object)
            plain = {name: column for name, column in columns.items() if column.ndim == 1}
            self._columns.append(columns)
            tables.append(pd.DataFrame({"ID": ids, **plain, "file": number, "row": np.arange(len(ids))}))
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

    @property
    def image_names(self) -> list[str]:
        """Names of the arrays of images, such as `images`, or `cells` and `nuclei`."""
        return sorted({name for checksums in self._checksums for name in checksums})

    def __len__(self) -> int:
        return len(self.table)

    def __contains__(self, field_id: str) -> bool:
        return field_id in self._place

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_arrays": {}, "_process": None}

    def read(self, field_id: str, name: str = "images") -> np.ndarray:
        """Return the image `/name` of a field.

        Raises KeyError naming the files if the field is not stored, UserError if there are no such images, and
        DamagedFileError if the image has changed.
        """
        if field_id not in self._place:
            raise KeyError(f"no field {field_id} in {', '.join(map(str, self.paths))}")
        number, row = self._place[field_id]
        path, checksums = self.paths[number], self._checksums[number]
        if name not in checksums:
            raise UserError(
                f"{path}: no images /{name} in this shard; found {', '.join(checksums) or 'none'}"
            )
        try:
            image = self._open(number, name)[row]
        except (OSError, RuntimeError, KeyError, ValueError) as error:
            raise DamagedFileError(path, f"/{name} of field {field_id} cannot be read") from error
        if array_checksum(image) != checksums[name][row]:
            raise DamagedFileError(path, f"/{name} of field {field_id} does not match its checksum")
        return image

    def get(self, field_id: str, name: str = "cells") -> np.ndarray | None:
        """Return the image `/name` of a field, or None if the field is not stored."""
        return self.read(field_id, name) if field_id in self else None

    def size(self, field_id: str) -> tuple[int, int]:
        """Return (height, width) of the original field in pixels."""
        entry = self.table.loc[field_id]
        return int(entry["height"]), int(entry["width"])

    def column(self, name: str) -> np.ndarray:
        """Return `/name` of all fields (N, ...), an array other than images. Raises KeyError if there is none."""
        return np.concatenate([columns[name] for columns in self._columns])

    def checksums(self, name: str = "images") -> np.ndarray:
        """Return the checksums of the images `/name` of all fields, (N,) uint64. Raises KeyError if there are none."""
        return np.concatenate([checksums[name] for checksums in self._checksums])

    def _open(self, number: int, name: str) -> h5py.Dataset:
        if self._process != os.getpid():
            self._arrays, self._process = {}, os.getpid()
        if (number, name) not in self._arrays:
            self._arrays[number, name] = h5py.File(self.paths[number], "r")[name]
        return self._arrays[number, name]


def shard_checksum(path: str | os.PathLike) -> str:
    """Return the checksum of a shard, which changes with any of its fields; raises DamagedFileError."""
    return shard_attribute(path, "checksum")


def shard_attribute(path: str | os.PathLike, name: str) -> str:
    """Return an attribute of a shard as text; raises DamagedFileError if there is none."""
    try:
        with h5py.File(path, "r") as file:
            return _text(file.attrs[name])
    except (OSError, RuntimeError, KeyError) as error:
        raise DamagedFileError(path, f"it cannot be read as HDF5 ({error})") from error


def _read_columns(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Read all arrays but the images and compare them with the checksum; raises DamagedFileError."""
    try:
        with h5py.File(BucketFile(str(path)) if is_url(path) else path, "r") as file:
            saved, place = _text(file.attrs["checksum"]), _text(file.attrs["place"])
            images = {name.removesuffix(CHECKSUMS) for name in file if name.endswith(CHECKSUMS)}
            columns = _columns(file, images)
            shapes = {name: file[name].shape[0] for name in images}
    except FileNotFoundError as error:
        raise UserError(f"{path}: there is no such file; start again to make it") from error
    except BucketError:
        raise
    except PermissionError as error:
        raise UserError(f"{path}: cannot be opened: Permission denied") from error
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, MemoryError) as error:
        raise DamagedFileError(path, f"it cannot be read as HDF5 ({error})") from error
    if saved != columns_checksum(columns) or set(shapes.values()) - {len(columns["id"])}:
        raise DamagedFileError(path, "its checksum does not match")
    check_place(path, place)
    return columns


def text_column(texts: Sequence[str]) -> np.ndarray:
    """Texts as a column of a shard: (N) of fixed length, UTF-8.

    Texts of variable length would be stored outside the parts of the file that HDF5 itself checks.
    """
    encoded = [text.encode() for text in texts]
    return np.array(encoded, dtype=h5py.string_dtype("utf-8", max([1, *map(len, encoded)])))


def _check_lengths(path: str | os.PathLike, ids: Sequence[str], arrays: Mapping[str, np.ndarray]) -> None:
    for name, array in arrays.items():
        if len(array) != len(ids):
            raise ValueError(f"{path}: /{name} has {len(array)} entries for {len(ids)} IDs")


def _attribute(value: object) -> object:
    """An attribute as it is stored: texts with a fixed length, like the IDs."""
    # An empty text cannot have a fixed length.
    return np.bytes_((value or "-").encode()) if isinstance(value, str) else value


def _text(value: object) -> str:
    """A text attribute as it was given."""
    return "" if value == b"-" else value.decode() if isinstance(value, bytes) else str(value)


def _columns(file: h5py.File, images: Iterable[str]) -> dict[str, np.ndarray]:
    """All arrays of an open shard that are not images."""
    return {name: dataset[()] for name, dataset in file.items() if name not in set(images)}
