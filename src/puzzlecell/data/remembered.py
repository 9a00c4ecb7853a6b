"""Headers of fields that were found good in an earlier check, so that the next one opens only the files that changed.

Kept in one small file per data set: for each good field a 64-bit hash of the places, sizes, times (mtime and ctime) and
inodes of its files, and the number of its header in a list of those that occur. A damaged field is never kept. Any
change of a file that the file system shows makes another hash: also one overwritten with as many bytes and given its
old modification time, because nobody can set a ctime. A change that leaves size, both times and inode as they were,
such as a fault of the disk, goes unnoticed here and is found when the image is decoded.
"""

import json
import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import xxhash

from puzzlecell.data.image_header import Header
from puzzlecell.data.image_plane import ImagePlane
from puzzlecell.errors import DamagedFileError
from puzzlecell.runtime.atomic import written_whole
from puzzlecell.runtime.checksums import EMPTY_MARK, read_sealed, sealed

log = logging.getLogger(__name__)

Field = TypeVar("Field")
Checked = tuple[Header | None, list[str]]
"""What the check of a field finds: its header and its problems."""

_SETTLED = 2 * 10**9
"""Nanoseconds after which a further change of a file surely gets another time stamp."""
_TOGETHER = 256
"""Fields per task of a thread; one task for each field would take more memory than their headers."""


class Memory(NamedTuple):
    """Where the headers of a data set are kept, and all that decides whether a field counts as good.

    rule: settings and a digest of the code of the check, as a text; what was found by another rule is not used.
    """

    path: str | os.PathLike
    rule: str


def remembered(
    fields: Sequence[Field],
    planes: Callable[[Field], Sequence[ImagePlane | None]],
    check: Callable[[Field], Checked],
    memory: Memory | None,
    *,
    threads: int = 1,
) -> Iterator[tuple[Field, Checked]]:
    """Check fields, or take the header of a field whose files have not changed since it was found good.

    Yields each field with its header and problems, in order. planes: returns the images of a field's channels, by which
    it is known; None stands for a channel without one. Whatever else decides how they are read has to be part of the
    rule. memory: None checks every field. After the last field the memory is rewritten, so it never holds more than
    these fields. Raises DiskFullError, and whatever `check` raises.
    """
    known = {} if memory is None else _read(memory)
    kept = _Kept(dict.fromkeys(known.values()))
    settled = time.time_ns() - _SETTLED

    def examined(first: int) -> list[tuple[Checked, int | None]]:
        found: list[tuple[Checked, int | None]] = []
        for field in fields[first : first + _TOGETHER]:
            # Before the files are read: if one changes meanwhile, the next check sees another state.
            state = None if memory is None else _state(planes(field), settled)
            header = known.get(state)
            found.append((check(field) if header is None else (header, []), state))
        return found

    with ThreadPoolExecutor(threads) as pool:
        place = 0
        for found in pool.map(examined, range(0, len(fields), _TOGETHER)):
            for (header, problems), state in found:
                if header is not None and not problems:
                    header = kept.add(state, header)
                yield fields[place], (header, problems)
                place += 1
    if memory is not None and kept.states.keys() != known.keys():
        _write(memory, kept)


class _Kept:
    """Headers by the states of their fields; equal headers are one object."""

    def __init__(self, headers: dict[Header, None]):
        self.headers = {header: header for header in headers}
        self.states: dict[int, Header] = {}

    def add(self, state: int | None, header: Header) -> Header:
        header = self.headers.setdefault(header, header)
        if state is not None:
            self.states[state] = header
        return header


def _state(planes: Sequence[ImagePlane | None], settled: int) -> int | None:
    """Hash of the states of files; None if one cannot be looked at or has changed too recently to tell its changes."""
    digest = xxhash.xxh3_64()
    for plane in planes:
        if plane is None:
            digest.update(b"none\n")
            continue
        try:
            # As in `files_digest`: the fastest way to look at half a million files.
            found = os.stat(plane.path)  # noqa: PTH116
        except (OSError, ValueError):
            return None
        if found.st_ctime_ns > settled:
            return None
        place = f"{plane.path} {plane.page} {plane.channel}"
        state = f"{place} {found.st_size} {found.st_mtime_ns} {found.st_ctime_ns} {found.st_ino}\n"
        digest.update(state.encode(errors="surrogatepass"))
    return digest.intdigest()


def _read(memory: Memory) -> dict[int | None, Header]:
    """Headers by state; none if the file is missing, damaged, or was written by another rule."""
    try:
        content = read_sealed(memory.path)
        head, _, arrays = content.partition(b"\n")
        saved = json.loads(head)
        if saved["rule"] != memory.rule:
            return {}
        headers = [Header(**header) for header in saved["headers"]]
        states = np.frombuffer(arrays, "<u8", saved["fields"])
        numbers = np.frombuffer(arrays, "<u4", saved["fields"], offset=states.nbytes)
        return {
            state: headers[number] for state, number in zip(states.tolist(), numbers.tolist(), strict=True)
        }
    except FileNotFoundError:
        return {}
    except (DamagedFileError, OSError, ValueError, KeyError, TypeError, IndexError) as error:
        log.info("%s cannot be used, so all headers are checked again: %s", memory.path, error)
        return {}


def _write(memory: Memory, kept: _Kept) -> None:
    headers = dict.fromkeys(kept.states.values())
    numbers = {header: number for number, header in enumerate(headers)}
    head = {
        "checksum": EMPTY_MARK,
        "rule": memory.rule,
        "fields": len(kept.states),
        "headers": [asdict(header) for header in headers],
    }
    parts = [
        np.fromiter(kept.states, "<u8", len(kept.states)),
        np.fromiter((numbers[header] for header in kept.states.values()), "<u4", len(kept.states)),
    ]
    content = json.dumps(head).encode() + b"\n" + b"".join(part.tobytes() for part in parts)
    with written_whole(memory.path) as temporary:
        Path(temporary).write_bytes(sealed(content))
