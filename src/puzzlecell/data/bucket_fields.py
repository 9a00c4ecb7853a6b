"""State of raw files in a bucket, for planning: one list per folder, no downloads."""

import hashlib
import os
from collections.abc import Iterable

from puzzlecell.data.raw_files import channel_names, shard_ids
from puzzlecell.runtime.bucket import listing


def shard_state(labels: str | os.PathLike, images: str, shard: int, shards: int) -> str:
    """Digest (16 hex digits) of the names, sizes and ETags of the raw files of a shard.

    labels: a local copy of the label table; a missing or unusable one counts as empty, as `shard_digest` has it.
    images: URL of a folder. Raises BucketError.
    """
    try:
        field_ids = shard_ids(labels, shard, shards)
    except (OSError, ValueError):
        field_ids = []
    return _digest(images, (name for field_id in field_ids for name in channel_names(field_id)))


def folder_state(folder: str) -> str:
    """Digest (16 hex digits) of the names, sizes and ETags of all files in a folder. Raises BucketError."""
    return _digest(folder, sorted(listing(folder)))


def _digest(folder: str, names: Iterable[str]) -> str:
    found, digest = listing(folder), hashlib.sha256()
    for name in names:
        state = found.get(name)
        text = "missing" if state is None else f"{state.size} {state.etag}"
        digest.update(f"{name} {text}\n".encode(errors="surrogatepass"))
    return digest.hexdigest()[:16]
