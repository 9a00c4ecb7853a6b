"""Atomic file writes: files are written under a temporary name next to the target, then moved into place."""

import errno
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from puzzlecell.errors import UserError

_PARTIAL = re.compile(r"\.(?P<stem>.+)\.\d+\.partial(\.[^.]*)?")
_FULL = ("No space left on device", "Disk quota exceeded")


class DiskFullError(UserError):
    """A file could not be written because the disk is full or a quota is used up."""


@contextmanager
def written_whole(path: str | os.PathLike, durable: bool = True) -> Iterator[Path]:
    """Yield a temporary path next to `path`; move the file to `path` if the block succeeds, else remove it.

    The temporary name keeps the suffix, because many writers choose the format by it. Parent folders are created.
    durable: flush the content to disk first, so that a power failure leaves no empty file; slow for many files.
    Raises DiskFullError if the disk is full; an earlier file at `path` is then unchanged.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        if durable:
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
        temporary.replace(path)
    except IsADirectoryError as error:
        if path.is_dir():
            raise UserError(f"{path}: is a folder, where a file is to be written; remove it") from error
        raise
    except Exception as error:
        if not isinstance(error, DiskFullError) and is_full_disk(error):
            temporary.unlink(missing_ok=True)
            there = next(folder for folder in path.absolute().parents if folder.exists())
            free = shutil.disk_usage(there).free / 1e6
            kept = "the earlier file is unchanged" if path.exists() else "nothing was written"
            raise DiskFullError(
                f"{path}: cannot be written, because the disk or your quota on it is full ({free:.0f} MB free); "
                f"{kept}. Free some space and start again"
            ) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def is_full_disk(error: BaseException) -> bool:
    """Whether an error, of the system or of a library that passes on the system's message, means a full disk."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    return any(text in str(error) for text in _FULL)


def remove_partials(folder: str | os.PathLike, stems: Iterable[str] | None = None) -> None:
    """Remove files that a killed process left half written in a folder.

    stems: only those of these target files (names without suffix); None removes all. No process may be writing them.
    """
    wanted = None if stems is None else set(stems)
    for path in Path(folder).glob(".*.partial*"):
        match = _PARTIAL.fullmatch(path.name)
        if match and (wanted is None or match["stem"] in wanted):
            path.unlink(missing_ok=True)
