"""Hashes of settings and files that determine a result."""

import errno
import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path

from puzzlecell.errors import UserError


def fingerprint(settings: object, contents: Iterable[str | os.PathLike] = ()) -> str:
    """Return the SHA-256 (hex) of settings and of the names and contents of small files.

    Nothing in it depends on the machine, so that a training can continue on another one.
    """
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode())
    for path in contents:
        digest.update(f"\n{Path(path).name} ".encode())
        try:
            content = Path(path).read_bytes()
        except OSError as error:
            raise UserError(f"{path}: cannot be read: {error.strerror}") from error
        digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()


def files_digest(paths: Iterable[str | os.PathLike], newer_than_ns: int = 0) -> str:
    """Return a digest (16 hex digits) of the paths, sizes and modification times of files, in the given order.

    A missing file is recorded as missing, and one that cannot be reached (a loop of links, no permission, too long a
    name) with the reason: this never raises, because it is called while the workflow is planned. Files not modified
    after `newer_than_ns` (nanoseconds) are left out.
    """
    digest = hashlib.sha256()
    for path in paths:
        try:
            # Half a million files are looked at: this is the fastest way, faster than a scan of their folder.
            status = os.stat(path)  # noqa: PTH116
        except (OSError, ValueError) as error:
            digest.update(_line(path, _reason(error)))
            continue
        if status.st_mtime_ns > newer_than_ns:
            digest.update(_line(path, f"{status.st_size} {status.st_mtime_ns}"))
    return digest.hexdigest()[:16]


def folder_digest(folder: str | os.PathLike) -> str:
    """Return the `files_digest` of all files in a folder; a missing folder counts as empty. Never raises."""
    try:
        paths = sorted(Path(folder).iterdir())
    except FileNotFoundError:
        paths = []
    except (OSError, ValueError) as error:
        return hashlib.sha256(_line(folder, _reason(error))).hexdigest()[:16]
    return files_digest(paths)


def _line(path: str | os.PathLike, state: str) -> bytes:
    # File names need not be valid Unicode.
    return f"{path} {state}\n".encode(errors="surrogatepass")


def _reason(error: OSError | ValueError) -> str:
    """What is recorded in place of size and time; no error texts, which depend on the user's language."""
    if isinstance(error, FileNotFoundError):
        return "missing"
    if isinstance(error, OSError):
        return errno.errorcode.get(error.errno or 0, "unreachable")
    return "not a file name"
