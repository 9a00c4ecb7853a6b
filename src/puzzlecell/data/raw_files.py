"""Raw files by name: which belong to a shard, and whether they changed."""

import hashlib
import os
import zlib
from collections.abc import Iterable
from pathlib import Path

from puzzlecell.data.labels import LabelError, read_ids

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
    labels: str | os.PathLike, images: str | os.PathLike, shard: int, shards: int, made_here: bool = False
) -> str:
    """Digest of the IDs of a shard and of the names, sizes and times of their raw files.

    made_here: the raw files are made by the workflow itself, which already knows when it makes them anew; then only
    what was changed after the label table was written counts, and the digest is the same before and after the making.
    A table that is missing or faulty gives the digest of nothing: the checks report it.
    """
    try:
        field_ids = shard_ids(labels, shard, shards)
    except LabelError:
        field_ids = []
    since = Path(labels).stat().st_mtime_ns if made_here and field_ids else 0
    digest = hashlib.sha256()
    for field_id in field_ids:
        for channel in CHANNELS:
            path = channel_path(images, field_id, channel)
            try:
                status = path.stat()
            except FileNotFoundError:
                digest.update(f"{path.name} missing\n".encode())
                continue
            if status.st_mtime_ns > since:
                digest.update(f"{path.name} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]


def folder_digest(folder: str | os.PathLike) -> str:
    """Digest of the names, sizes and times of the files in a folder; a missing folder is an empty one."""
    folder = Path(folder)
    return files_digest(sorted(folder.iterdir()) if folder.is_dir() else [])


def files_digest(paths: Iterable[str | os.PathLike]) -> str:
    """Digest of the names, sizes and times of files, in the order given; a file may be missing."""
    digest = hashlib.sha256()
    for path in map(Path, paths):
        try:
            status = path.stat()
        except FileNotFoundError:
            digest.update(f"{path.name} missing\n".encode())
            continue
        digest.update(f"{path.name} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]
