"""State of raw files in a bucket, for planning: one list per folder, no downloads."""

import hashlib
from collections.abc import Iterable

from puzzlecell.data.field_sources import RawDataset, field_sources
from puzzlecell.runtime.bucket import BucketError, entry, listing


def shard_state(dataset: RawDataset, shard: int, shards: int) -> str:
    """Digest (16 hex digits) of the names, sizes and ETags of the raw files of a shard, with their pages and channels.

    A data set whose fields are not known counts as empty, as `shard_digest` has it. Raises BucketError.
    """
    try:
        sources = field_sources(dataset)
        ids = sources.of_shard(shard, shards)
    except BucketError:
        raise
    except (OSError, ValueError):
        return _digest([])
    planes = (plane for field_id in ids for plane in sources[field_id].planes)
    return _digest((plane.path, str(plane)) if plane else ("", "black") for plane in planes)


def folder_state(folder: str) -> str:
    """Digest (16 hex digits) of the names, sizes and ETags of all files in a folder. Raises BucketError."""
    return _digest((f"{folder}/{name}", name) for name in sorted(listing(folder)))


def _digest(files: Iterable[tuple[str, str]]) -> str:
    """files: URL, "" for none, and name."""
    digest = hashlib.sha256()
    for url, name in files:
        state = entry(url) if url else None
        text = "missing" if state is None else f"{state.size} {state.etag}"
        digest.update(f"{name} {text}\n".encode(errors="surrogatepass"))
    return digest.hexdigest()[:16]
