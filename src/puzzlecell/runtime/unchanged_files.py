"""Results of reading a file, kept for as long as the file does not change."""

import os
import time
from collections.abc import Callable, Iterable
from functools import lru_cache, wraps
from pathlib import Path
from typing import TypeVar, TypeVarTuple

Arguments = TypeVarTuple("Arguments")
Result = TypeVar("Result")

_SETTLED = 2 * 10**9
"""Nanoseconds after which the time stamps of a changed file surely differ from before."""


def kept_while_unchanged(
    read: Callable[[Path, *Arguments], Result],
) -> Callable[[str | os.PathLike, *Arguments], Result]:
    """Make a function that reads a file return its earlier result if the file has not changed since.

    A file counts as unchanged if its size, its times and its inode are the same; a file changed in the last two seconds
    is always read again. All callers get the same object and must not modify it. The eight latest results are kept.
    Further arguments must be hashable.
    """

    @lru_cache(maxsize=8)
    def kept(_state: tuple, path: Path, arguments: tuple[*Arguments]) -> Result:
        return read(path, *arguments)

    @wraps(read)
    def result(path: str | os.PathLike, *arguments: *Arguments) -> Result:
        path = Path(path)
        try:
            found = path.stat()
        except (OSError, ValueError):
            return read(path, *arguments)
        changed = max(found.st_mtime_ns, found.st_ctime_ns)
        if time.time_ns() - changed < _SETTLED:
            return read(path, *arguments)
        return kept((path.absolute(), found.st_ino, found.st_size, changed), path, arguments)

    return result


def folders_state(folders: Iterable[str | os.PathLike], read_ns: int | None = None) -> tuple | None:
    """Return what changes if a file is added to one of the folders, removed or renamed; None if nothing can be said.

    read_ns: when the folders were read, in nanoseconds since 1970; None: now. Nothing can be said of a folder that was
    changed after that or less than two seconds before, or that cannot be looked at.
    """
    found = []
    now = time.time_ns() if read_ns is None else read_ns
    for folder in folders:
        try:
            status = Path(folder).stat()
        except (OSError, ValueError):
            return None
        changed = max(status.st_mtime_ns, status.st_ctime_ns)
        if now - changed < _SETTLED:
            return None
        found.append((os.fspath(folder), status.st_ino, status.st_mtime_ns, status.st_ctime_ns))
    return tuple(found)
