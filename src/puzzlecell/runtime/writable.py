"""Folders that a run cannot write to, found before its first job."""

import os
from collections.abc import Iterable
from pathlib import Path

_EFFECTIVE = os.access in os.supports_effective_ids


def unwritable_folders(folders: Iterable[str | os.PathLike]) -> list[str]:
    """Return a message for each folder that files cannot be written into, nor into folders still to be made in it.

    Nothing is written. Of an unwritable folder in another one, up to the working directory, only the outer is named.
    """
    places = {_existing(Path(folder).absolute()) for folder in folders}
    problems = {_outermost(place): None for place in sorted(places) if not _writable(place)}
    return [_problem(place) for place in problems]


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one around it that exists."""
    return next(place for place in (folder, *folder.parents) if os.path.lexists(place))


def _writable(place: Path) -> bool:
    # access(2) also tells a read-only file system from a writable one, for root too.
    return place.is_dir() and os.access(place, os.W_OK | os.X_OK, effective_ids=_EFFECTIVE)


def _outermost(place: Path) -> Path:
    here = Path.cwd()
    while here in place.parents and not _writable(place.parent):
        place = place.parent
    return place


def _problem(place: Path) -> str:
    here = Path.cwd()
    shown = place.relative_to(here) if here in place.parents else place
    if not place.is_dir():
        return f"{shown}: is not a folder, but results are to be written into it; move it away"
    if os.statvfs(place).f_flag & os.ST_RDONLY:
        why = "its file system is mounted read-only; remount it"
    else:
        why = "you have no permission to; change it with chmod u+rwx"
    other = "" if place == here else ", or link results/ to another folder"
    return f"{shown}: this run cannot write into this folder, because {why}{other}"
