"""Chunks: the files from which the pages of the viewer read numbers.

A page that was opened from disk may load scripts and pictures, but read no other files. Hence a chunk is a script with
one call, `puzzlecell.receive(name, content)`, whose content is JSON; columns of numbers are base64 of their bytes. A
comment at its end holds the checksum that `puzzlecell verify` compares.
"""

import base64
import json
import os
from collections.abc import Mapping

import numpy as np

from puzzlecell.runtime.atomic import written_whole
from puzzlecell.runtime.checksums import EMPTY_MARK, sealed

TYPES = {"uint8": "u8", "uint16": "u16", "uint32": "u32", "int32": "i32", "float32": "f32"}
"""Types of numbers that a chunk can hold -> their names there."""


def write_chunk(
    path: str | os.PathLike, name: str, content: Mapping[str, object], columns: Mapping[str, np.ndarray]
) -> None:
    """Write a chunk.

    name: that of the file below `data/` without its ending, such as `test/000/cells`. content: any JSON. columns:
    arrays of one of the `TYPES`, any shape; they become `content["columns"][name] = [type, base64]`, little-endian in C
    order. Raises KeyError for other types, ValueError for numbers that are not finite in `content`.
    """
    with written_whole(path) as temporary:
        temporary.write_bytes(chunk_bytes(name, content, columns))


def chunk_bytes(name: str, content: Mapping[str, object], columns: Mapping[str, np.ndarray]) -> bytes:
    """Return the content of the file of a chunk; arguments as in `write_chunk`."""
    encoded = {key: [TYPES[values.dtype.name], _base64(values)] for key, values in columns.items()}
    text = json.dumps(
        {**content, "columns": encoded}, ensure_ascii=True, allow_nan=False, separators=(",", ":")
    )
    return sealed(f"puzzlecell.receive({json.dumps(name)},{text});\n//{EMPTY_MARK}\n".encode())


def quantised(probabilities: np.ndarray) -> np.ndarray:
    """Return probabilities in [0, 1] as uint16, 65535 for 1."""
    return np.round(np.asarray(probabilities, np.float64) * 65535).astype(np.uint16)


def _base64(values: np.ndarray) -> str:
    little = values.dtype.newbyteorder("<")
    return base64.b64encode(np.ascontiguousarray(values, little).tobytes()).decode("ascii")
