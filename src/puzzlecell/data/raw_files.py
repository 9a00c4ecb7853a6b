"""Names of raw files, their assignment to shards, and detection of changes.

Imports nothing heavy, because planning uses this module too.
"""

import os
import zlib
from pathlib import Path

from puzzlecell.data.ids import read_field_ids
from puzzlecell.runtime.fingerprint import files_digest
from puzzlecell.runtime.unchanged_files import kept_while_unchanged

CHANNELS = ("red", "green", "blue", "yellow")


def channel_path(folder: str | os.PathLike, field_id: str, channel: str) -> Path:
    """Path of the PNG of a channel: `<folder>/<ID>_<channel>.png`."""
    return Path(folder) / f"{field_id}_{channel}.png"


def channel_names(field_id: str) -> list[str]:
    """Names of the PNGs of a field."""
    return [f"{field_id}_{channel}.png" for channel in CHANNELS]


def shard_of(field_id: str, shards: int) -> int:
    """Number of the shard that contains a field: crc32 of its ID (UTF-8) modulo the number of shards."""
    return zlib.crc32(field_id.encode()) % shards


def shard_ids(labels: str | os.PathLike, shard: int, shards: int) -> list[str]:
    """IDs of a data set that belong to a shard, in the order of its label table."""
    return list(_ids_by_shard(labels, shards).get(shard, []))


# Planning asks for each shard of a data set in turn.
@kept_while_unchanged
def _ids_by_shard(labels: Path, shards: int) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for field_id in read_field_ids(labels):
        found.setdefault(shard_of(field_id, shards), []).append(field_id)
    return found


def shard_digest(
    labels: str | os.PathLike, images: str | os.PathLike, shard: int, shards: int, *, simulated: bool = False
) -> str:
    """Digest of the paths, sizes and modification times of the raw files of a shard.

    simulated: the workflow itself writes the raw files and knows when to write them again; only files changed after the
    label table was written count then, so that the digest is the same before and after they are written.
    A label table that is missing or unusable counts as empty; `dataset_problems` reports it. Never raises for any state
    of the files, because it is called while the workflow is planned.
    """
    try:
        field_ids = shard_ids(labels, shard, shards)
        since = Path(labels).stat().st_mtime_ns if simulated and field_ids else 0
    except (OSError, ValueError):
        field_ids, since = [], 0
    # The paths as texts: making half a million Path objects takes longer than looking at the files.
    folder = str(channel_path(images, "", "")).removesuffix("_.png")
    paths = (f"{folder}{field_id}_{channel}.png" for field_id in field_ids for channel in CHANNELS)
    return files_digest(paths, since)
