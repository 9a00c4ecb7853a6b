"""Names of raw files by default, and the assignment of fields to shards.

Imports nothing heavy, because planning uses this module too.
"""

import os
import zlib
from pathlib import Path

from puzzlecell.config.naming import CHANNELS as CHANNELS
from puzzlecell.runtime.bucket import is_url

IMAGE_ENDINGS = (".ome.tiff", ".ome.tif", ".tiff.gz", ".tif.gz", ".tiff", ".tif", ".png", ".jpeg", ".jpg")
"""Endings of the names of images, in lower case; the longest first."""


def channel_path(folder: str | os.PathLike, field_id: str, channel: str) -> Path:
    """Path of the PNG of a channel: `<folder>/<ID>_<channel>.png`."""
    return Path(folder) / f"{field_id}_{channel}.png"


def folder_start(folder: str | os.PathLike) -> str:
    """What the paths of the files in a folder begin with; a folder may be written in several ways, a URL in one."""
    return f"{str(folder).rstrip('/')}/" if is_url(folder) else str(Path(folder) / "x")[:-1]


def shard_of(field_id: str, shards: int) -> int:
    """Number of the shard that contains a field: crc32 of its ID (UTF-8) modulo the number of shards."""
    return zlib.crc32(field_id.encode()) % shards
