"""Checksums of the files that jobs write, so that a reader notices if a file has changed since.

Three kinds: a mark inside a binary file that holds the checksum of all its bytes, a small file `<name>.checksum` beside
a CSV, and checksums of single arrays, for files that are too large to be read as a whole. All are XXH3 (xxhash.com): it
finds accidental damage at the speed of memory; it is no protection against forgery.
"""

import json
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import xxhash
from typing_extensions import Buffer

from puzzlecell.errors import DamagedFileError
from puzzlecell.runtime.atomic import written_whole

if TYPE_CHECKING:
    import numpy as np

_MARK = b"puzzlecell-xxh3:"
_DIGITS = 32
EMPTY_MARK = (_MARK + b"0" * _DIGITS).decode()
"""Text to embed once in a file, for `sealed` to fill in the checksum."""
_ENDS = (slice(1 << 16), slice(-(1 << 16), None), slice(-(1 << 24), None))
"""Where the mark may be: in the first 64 KB, or in the last 64 KB or 16 MB."""


def sealed(content: bytes) -> bytes:
    """Return the content of a file with the checksum of all its bytes filled in at its empty mark."""
    place = _place_of_mark(content)
    if place is None:
        raise ValueError("the content has no mark for a checksum")
    digest = xxhash.xxh3_128_hexdigest(content).encode()
    return b"".join([content[:place], digest, content[place + _DIGITS :]])


def read_sealed(path: str | os.PathLike) -> bytes:
    """Read a file written from `sealed`; raises DamagedFileError if it has changed, OSError if it cannot be read."""
    content = Path(path).read_bytes()
    check_seal(path, content)
    return content


def check_sealed_file(path: str | os.PathLike) -> None:
    """As `check_seal`, for a file that is read part by part, so that memory does not grow with it."""
    size = Path(path).stat().st_size
    with Path(path).open("rb") as file:
        for end in _ENDS:
            start = end.indices(size)[0]
            file.seek(start)
            place = file.read(len(range(*end.indices(size)))).rfind(_MARK)
            if place >= 0:
                break
        else:
            raise DamagedFileError(path, f"found {size} bytes without a checksum")
        begin = start + place + len(_MARK)
        file.seek(0)
        digest, done, saved = xxhash.xxh3_128(), 0, b""
        while done < size:
            # The digits of the checksum are a part of their own.
            stop = next(edge for edge in (begin, begin + _DIGITS, size) if edge > done)
            part = file.read(min(1 << 22, stop - done))
            if done == begin:
                saved, part = part, b"0" * len(part)
            digest.update(part)
            done += len(part)
            if not part:
                break
    if digest.hexdigest().encode() != saved:
        raise DamagedFileError(path, "its checksum does not match")


def check_seal(path: str | os.PathLike, content: Buffer) -> None:
    """Compare the content of a file with the checksum in it; raises DamagedFileError if they differ."""
    intact = matches_seal(content)
    if intact is None:
        raise DamagedFileError(path, f"found {memoryview(content).nbytes} bytes without a checksum")
    if not intact:
        raise DamagedFileError(path, "its checksum does not match")


def matches_seal(content: Buffer) -> bool | None:
    """Whether the content of a file matches the checksum at its mark; None if it has no mark."""
    place = _place_of_mark(content)
    if place is None:
        return None
    with memoryview(content) as view, view[:place] as before, view[place + _DIGITS :] as after:
        digest = xxhash.xxh3_128(before)
        digest.update(b"0" * _DIGITS)
        digest.update(after)
        return digest.hexdigest().encode() == bytes(view[place : place + _DIGITS])


def _place_of_mark(content: Buffer) -> int | None:
    """Position of the digits of the checksum."""
    with memoryview(content) as view:
        for end in _ENDS:
            place = bytes(view[end]).rfind(_MARK)
            if place >= 0:
                place += end.indices(len(view))[0] + len(_MARK)
                return place if place + _DIGITS <= len(view) else None
    return None


@contextmanager
def mapped(path: str | os.PathLike) -> Iterator[mmap.mmap | bytes]:
    """The content of a file mapped into memory, which costs less than reading it; an empty file cannot be mapped."""
    with Path(path).open("rb") as file:
        if os.fstat(file.fileno()).st_size == 0:
            yield b""
            return
        # MAP_POPULATE (Linux) maps all pages at once instead of one by one.
        flags = mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)
        with mmap.mmap(file.fileno(), 0, flags, mmap.PROT_READ) as content:
            yield content


def place_in_results(path: str | os.PathLike) -> str:
    """Path below the folder `results`, such as `store/test/000.h5`; empty for a file elsewhere.

    It is written into each file, so that a reader notices a file that belongs elsewhere, whose checksum is right.
    """
    *folders, name = Path(path).parts
    if "results" not in folders:
        return ""
    last = len(folders) - folders[::-1].index("results")
    return "/".join([*folders[last:], name])


def check_place(path: str | os.PathLike, written_as: object, here: str | None = None) -> None:
    """Raise DamagedFileError if a file was written at another place in `results` than where it is.

    written_as: `place_in_results` of the file when it was written. here: the same now; None takes it from `path`.
    """
    here = place_in_results(path) if here is None else here
    if written_as and here and written_as != here:
        raise DamagedFileError(path, f"it is a copy of results/{written_as}")


def checksum_path(path: str | os.PathLike) -> Path:
    """Path of the checksum of a text file: `<name>.checksum`."""
    return Path(f"{os.fspath(path)}.checksum")


@contextmanager
def written_with_checksum(path: str | os.PathLike, *, lines: bool = True) -> Iterator[Path]:
    """As `written_whole`; also write `<name>.checksum` beside it (JSON: `lines`, `xxh3_128`, `place`).

    lines: whether it is a text file, whose lines are counted.
    """
    with written_whole(path) as temporary:
        yield temporary
        with written_whole(checksum_path(path)) as checksum:
            digest, count = xxhash.xxh3_128(), 0
            with temporary.open("rb") as content:
                while part := content.read(1 << 24):
                    digest.update(part)
                    count += part.count(b"\n") if lines else 0
            state = {**({"lines": count} if lines else {}), "xxh3_128": digest.hexdigest()}
            checksum.write_text(json.dumps({**state, "place": place_in_results(path)}) + "\n")


def check_text(path: str | os.PathLike, *, required: bool = True) -> None:
    """Compare a file with its `.checksum`; raises DamagedFileError if they differ.

    required: a missing checksum is an error too; otherwise, the file is then taken to be the user's own.
    """
    saved_in = checksum_path(path)
    remedy = f"delete it and {saved_in.name} and start again"
    if not required:
        remedy = f"if you changed it on purpose, delete {saved_in.name} beside it; else {remedy}"
    try:
        saved = json.loads(saved_in.read_text())
        # Files that are no text have none.
        lines = int(saved["lines"]) if "lines" in saved else None
        digest, place = str(saved["xxh3_128"]), str(saved["place"])
    except FileNotFoundError:
        if required:
            raise DamagedFileError(path, f"there is no {saved_in.name} beside it", remedy) from None
        return
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DamagedFileError(path, f"{saved_in.name} beside it cannot be read", remedy) from error
    try:
        with mapped(path) as content:
            found = xxhash.xxh3_128_hexdigest(content)
            found_lines = lines if found == digest or lines is None else content[:].count(b"\n")
    except OSError as error:
        raise DamagedFileError(path, f"cannot be read: {error.strerror}") from error
    if found != digest:
        differs = "its checksum does not match"
        if found_lines != lines:
            differs = f"{found_lines} lines; {lines} were written"
        raise DamagedFileError(path, differs, remedy)
    check_place(path, place)


def array_checksum(array: "np.ndarray") -> int:
    """64-bit checksum of the values of an array, which is copied if it is not contiguous."""
    import numpy as np  # imported here because planning needs this module too

    return xxhash.xxh3_64_intdigest(np.ascontiguousarray(array).data)


def columns_checksum(columns: "dict[str, np.ndarray]") -> str:
    """Checksum of named arrays: names, types, shapes and values."""
    import numpy as np

    digest = xxhash.xxh3_128()
    for name in sorted(columns):
        column = np.ascontiguousarray(columns[name])
        digest.update(f"{name} {column.dtype.str} {column.shape}\n".encode())
        digest.update(column.data)
    return digest.hexdigest()
