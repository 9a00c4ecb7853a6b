"""Checksums of the files that jobs write, so that a reader notices if a file has changed since.

Three kinds: a mark inside a binary file that holds the checksum of all its bytes, a small file `<name>.checksum` beside
a CSV, and checksums of single arrays, for files that are too large to be read as a whole. All are XXH3 (xxhash.com): it
finds accidental damage at the speed of memory; it is no protection against forgery.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import xxhash

from puzzlecell.runtime.atomic import written_whole
from puzzlecell.runtime.errors import DamagedFileError

_MARK = b"puzzlecell-xxh3:"
_DIGITS = 32
EMPTY_MARK = (_MARK + b"0" * _DIGITS).decode()
"""Text to embed once in a file, for `sealed` to fill in the checksum."""
_NEAR_THE_ENDS = 1 << 24
_BLOCK = 1 << 24


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
    intact = matches_seal(content)
    if intact is None:
        raise DamagedFileError(path, f"found {len(content)} bytes without a checksum")
    if not intact:
        raise DamagedFileError(path, "its checksum does not match its content")
    return content


def matches_seal(content: bytes) -> bool | None:
    """Whether the content of a file matches the checksum at its mark; None if it has no mark."""
    place = _place_of_mark(content)
    if place is None:
        return None
    digest = xxhash.xxh3_128(content[:place])
    digest.update(b"0" * _DIGITS)
    digest.update(memoryview(content)[place + _DIGITS :])
    return digest.hexdigest().encode() == content[place : place + _DIGITS]


def _place_of_mark(content: bytes) -> int | None:
    """Position of the digits of the checksum. The mark is near the start or the end of a file."""
    place = content.find(_MARK, 0, _NEAR_THE_ENDS)
    if place < 0:
        place = content.rfind(_MARK, max(0, len(content) - _NEAR_THE_ENDS))
    found = place >= 0 and place + len(_MARK) + _DIGITS <= len(content)
    return place + len(_MARK) if found else None


def checksum_path(path: str | os.PathLike) -> Path:
    """Path of the checksum of a text file: `<name>.checksum`."""
    return Path(f"{os.fspath(path)}.checksum")


@contextmanager
def written_with_checksum(path: str | os.PathLike) -> Iterator[Path]:
    """As `written_whole`, for text files; also write `<name>.checksum` (JSON: `lines`, `xxh3_128`)."""
    with written_whole(path) as temporary:
        yield temporary
        with written_whole(checksum_path(path)) as checksum:
            checksum.write_text(json.dumps(_text_state(temporary)) + "\n")


def check_text(path: str | os.PathLike, *, required: bool = True) -> None:
    """Compare a text file with its `.checksum`; raises DamagedFileError if they differ.

    required: a missing checksum is an error too; otherwise, the file is then taken to be the user's own.
    """
    try:
        saved = json.loads(checksum_path(path).read_text())
        lines, digest = int(saved["lines"]), str(saved["xxh3_128"])
    except FileNotFoundError:
        if required:
            raise DamagedFileError(path, f"there is no {checksum_path(path).name} beside it") from None
        return
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedFileError(path, f"{checksum_path(path).name} beside it cannot be read") from error
    found = _text_state(path)
    if found["lines"] != lines:
        raise DamagedFileError(path, f"{found['lines']} lines; {lines} were written")
    if found["xxh3_128"] != digest:
        raise DamagedFileError(path, "its checksum does not match its content")


def _text_state(path: str | os.PathLike) -> dict[str, int | str]:
    digest, lines = xxhash.xxh3_128(), 0
    with Path(path).open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            lines += block.count(b"\n")
    return {"lines": lines, "xxh3_128": digest.hexdigest()}


def array_checksum(array: np.ndarray) -> int:
    """64-bit checksum of the values of an array, which is copied if it is not contiguous."""
    return xxhash.xxh3_64_intdigest(np.ascontiguousarray(array).data)


def columns_checksum(columns: dict[str, np.ndarray]) -> str:
    """Checksum of named arrays: names, types, shapes and values."""
    digest = xxhash.xxh3_128()
    for name in sorted(columns):
        column = np.ascontiguousarray(columns[name])
        digest.update(f"{name} {column.dtype.str} {column.shape}\n".encode())
        digest.update(column.data)
    return digest.hexdigest()
