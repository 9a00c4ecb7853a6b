"""Elements of an AnnData file (`.h5ad`), written with h5py to the published specification of the format.

https://anndata.readthedocs.io/en/stable/fileformat-prose.html: HDF5 in which each group and dataset says by two
attributes what it is (`encoding-type`) and to which version of its rules it was written (`encoding-version`).

Writing the same content again gives the same bytes, since HDF5 is told not to store timestamps.
"""

import os
from collections.abc import Mapping, Sequence

import h5py
import numpy as np

TEXT = h5py.string_dtype("utf-8")
COMPRESSION = {"compression": "gzip", "compression_opts": 4, "shuffle": True}
"""A filter that every HDF5 library has."""
_CHUNK_BYTES = 1 << 18


def open_new(path: str | os.PathLike) -> h5py.File:
    """Open a new AnnData file; to be used as a context manager."""
    file = h5py.File(path, "w", track_order=False)
    _mark(file, "anndata", "0.1.0")
    return file


def new_group(parent: h5py.Group, name: str) -> h5py.Group:
    """Add a mapping, such as `obsm`, `layers`, `uns`, or a part of one."""
    group = parent.create_group(name)
    _mark(group, "dict", "0.1.0")
    return group


def new_array(parent: h5py.Group, name: str, shape: tuple[int, ...], dtype: np.dtype | type) -> h5py.Dataset:
    """Add an array of numbers, to be filled part by part along its first axis."""
    row_bytes = int(np.prod(shape[1:], initial=1)) * np.dtype(dtype).itemsize
    rows = max(1, min(shape[0], _CHUNK_BYTES // max(1, row_bytes)))
    given = {"chunks": (rows, *shape[1:]), **COMPRESSION} if all(shape) else {}
    array = parent.create_dataset(name, shape=shape, dtype=dtype, track_times=False, **given)
    _mark(array, "array", "0.2.0")
    return array


def new_texts(parent: h5py.Group, name: str, rows: int) -> h5py.Dataset:
    """Add an array of texts, to be filled part by part."""
    array = parent.create_dataset(name, shape=(rows,), dtype=TEXT, track_times=False)
    _mark(array, "string-array", "0.2.0")
    return array


def write_texts(parent: h5py.Group, name: str, texts: Sequence[str]) -> None:
    """Add an array of texts."""
    new_texts(parent, name, len(texts))[:] = np.array(list(texts), dtype=object)


def write_text(parent: h5py.Group, name: str, text: str) -> None:
    """Add a single text."""
    dataset = parent.create_dataset(name, data=text, dtype=TEXT, track_times=False)
    _mark(dataset, "string", "0.2.0")


def write_number(parent: h5py.Group, name: str, number: float) -> None:
    """Add a single number."""
    dataset = parent.create_dataset(name, data=number, track_times=False)
    _mark(dataset, "numeric-scalar", "0.2.0")


def new_categorical(parent: h5py.Group, name: str, rows: int, categories: Sequence[str]) -> h5py.Dataset:
    """Add a column of few distinct texts and return its codes, to be filled; -1 stands for no value."""
    group = parent.create_group(name)
    _mark(group, "categorical", "0.2.0")
    group.attrs["ordered"] = False
    write_texts(group, "categories", categories)
    dtype = next(kind for kind in (np.int8, np.int16, np.int32) if len(categories) <= np.iinfo(kind).max)
    return new_array(group, "codes", (rows,), dtype)


def new_table(parent: h5py.Group, name: str, columns: Sequence[str], index: str = "_index") -> h5py.Group:
    """Add a table; its columns and its index, an array of texts with this name, are to be written into it."""
    group = parent.create_group(name)
    _mark(group, "dataframe", "0.2.0")
    group.attrs["_index"] = index
    group.attrs.create("column-order", np.array(list(columns), dtype=object), dtype=TEXT)
    return group


def write_table(
    parent: h5py.Group, name: str, index: Sequence[str], columns: Mapping[str, np.ndarray]
) -> None:
    """Add a small table of numbers."""
    group = new_table(parent, name, list(columns))
    write_texts(group, "_index", index)
    for key, values in columns.items():
        new_array(group, key, values.shape, values.dtype)[:] = values


def key_of(name: str) -> str:
    """A name as a key of the file, where a slash would mean a group within a group."""
    return name.replace("/", "_")


def _mark(element: h5py.Group | h5py.Dataset, kind: str, version: str) -> None:
    element.attrs["encoding-type"] = kind
    element.attrs["encoding-version"] = version
