"""Hashes of settings and files that determine a result."""

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path


def fingerprint(
    settings: object,
    contents: Iterable[str | os.PathLike] = (),
    large: Iterable[str | os.PathLike] = (),
) -> str:
    """Return the SHA-256 (hex) of settings and files.

    contents: small files, included with their contents. large: files included only with their paths, sizes and
    modification times.
    """
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode())
    for path in contents:
        digest.update(f"\n{Path(path).name} ".encode())
        digest.update(hashlib.sha256(Path(path).read_bytes()).digest())
    for path in large:
        status = Path(path).stat()
        digest.update(f"\n{path} {status.st_size} {status.st_mtime_ns}".encode())
    return digest.hexdigest()


def files_digest(paths: Iterable[str | os.PathLike], newer_than_ns: int = 0) -> str:
    """Return a digest (16 hex digits) of the names, sizes and modification times of files, in the given order.

    A missing file is recorded as missing. Files not modified after `newer_than_ns` (nanoseconds) are left out.
    """
    digest = hashlib.sha256()
    for path in map(Path, paths):
        try:
            status = path.stat()
        except FileNotFoundError:
            digest.update(f"{path.name} missing\n".encode())
            continue
        if status.st_mtime_ns > newer_than_ns:
            digest.update(f"{path.name} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]


def folder_digest(folder: str | os.PathLike) -> str:
    """Return the `files_digest` of all files in a folder; a missing folder counts as empty."""
    folder = Path(folder)
    return files_digest(sorted(folder.iterdir()) if folder.is_dir() else [])
