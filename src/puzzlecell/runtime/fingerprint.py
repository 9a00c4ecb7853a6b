"""One text that changes with whatever decides a result."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


def fingerprint(
    settings: Mapping[str, Any],
    contents: Iterable[str | os.PathLike],
    large: Iterable[str | os.PathLike] = (),
) -> str:
    """SHA-256 of settings, of the contents of small files, and of the names, sizes and times of large ones."""
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode())
    for path in contents:
        digest.update(f"\n{Path(path).name} ".encode())
        digest.update(hashlib.sha256(Path(path).read_bytes()).digest())
    for path in large:
        status = Path(path).stat()
        digest.update(f"\n{path} {status.st_size} {status.st_mtime_ns}".encode())
    return digest.hexdigest()
