"""Raw files by name: which belong to a shard, and whether they changed."""

import os
import zlib
from pathlib import Path

from puzzlecell.data.labels import LabelError, read_ids
from puzzlecell.runtime.fingerprint import files_digest

CHANNELS = ("red", "green", "blue", "yellow")


def channel_path(folder: str | os.PathLike, field_id: str, channel: str) -> Path:
    """Path of a channel's PNG: `<folder>/<ID>_<channel>.png`."""
    return Path(folder) / f"{field_id}_{channel}.png"


def shard_of(field_id: str, shards: int) -> int:
    """Number of the shard that holds a field: crc32 of its ID (UTF-8) modulo the number of shards."""
    return zlib.crc32(field_id.encode()) % shards


def shard_ids(labels: str | os.PathLike, shard: int, shards: int) -> list[str]:
    """IDs of a data set's table that belong to a shard, in the order of the table."""
    return [field_id for field_id in read_ids(labels)["ID"] if shard_of(field_id, shards) == shard]


def shard_digest(
    labels: str | os.PathLike, images: str | os.PathLike, shard: int, shards: int, *, simulated: bool = False
) -> str:
    """Digest of the IDs of a shard and of names, sizes and modification times of their raw files.

    simulated: the workflow itself makes the raw files and knows when it makes them again; then only files changed
    after the label table was written count, so that the digest is the same before and after they are made.
    A label table that is missing or cannot be used counts as empty: `check_datasets` reports it.
    """
    try:
        field_ids = shard_ids(labels, shard, shards)
    except LabelError:
        field_ids = []
    since = Path(labels).stat().st_mtime_ns if simulated and field_ids else 0
    paths = (channel_path(images, field_id, channel) for field_id in field_ids for channel in CHANNELS)
    return files_digest(paths, since)
