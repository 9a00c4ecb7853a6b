"""Shards of features: for each view of a field, an array of feature maps (N, D, h, w) float16."""

import os
from collections.abc import Sequence

import numpy as np

from puzzlecell.data.store import ShardReader, shard_attribute
from puzzlecell.errors import DamagedFileError

ENCODER = "encoder"
"""Attribute of a shard: digest of the backbone that computed the features."""


def view_name(number: int) -> str:
    """Name of the array with the features of a view, 0, 1, ..."""
    return f"view{number}"


def views_of(reader: ShardReader) -> int:
    """Number of views of each field."""
    return sum(name.startswith("view") for name in reader.image_names)


def check_encoder(paths: Sequence[str | os.PathLike], digest: str) -> None:
    """Raise DamagedFileError if features were computed by another backbone than the one with this digest."""
    for path in paths:
        found = shard_attribute(path, ENCODER)
        if found != digest:
            raise DamagedFileError(
                path, f"features of another backbone, {found[:8]}; that of this training is {digest[:8]}"
            )


def features_bytes(fields: float, views: int, shape: tuple[int, int, int]) -> float:
    """Bytes of the features of fields as arrays; files are a little smaller, since they are compressed."""
    return fields * views * int(np.prod(shape)) * np.dtype(np.float16).itemsize
