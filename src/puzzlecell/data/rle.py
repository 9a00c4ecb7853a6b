"""Run-length encoding of masks in the format of the HPA 2021 challenge.

A mask at the size of the original field is encoded as COCO run lengths (column-major, compressed counts), then zlib,
then base64. Stored label images are smaller than the field, so the runs of each cell are computed on the stored image
and scaled; the full-size mask is never created.
"""

import base64
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from pycocotools import mask as coco

from puzzlecell.data.label_images import nearest_index
from puzzlecell.errors import UserError

MOST_CHARACTERS = 2**25
"""Characters of the longest run lengths that are read, whatever the size of the field."""
SPARE_RUNS = 16
_BLOCK = 2**18


class MaskError(UserError):
    """An encoded mask cannot be read; callers add the file and the field with `masks_of`."""


@contextmanager
def masks_of(place: str | os.PathLike) -> Iterator[None]:
    """Put a place, such as a file or a field, before the message of a MaskError in the block."""
    try:
        yield
    except MaskError as error:
        raise MaskError(f"{place}: {error}") from error


def encode_mask(mask: np.ndarray) -> str:
    """Encode one mask: (H, W) bool at the original size -> COCO RLE -> zlib -> base64."""
    if mask.ndim != 2:
        raise ValueError(f"expected a mask with two axes (H, W), found shape {mask.shape}")
    return _pack(coco.encode(np.asfortranarray(mask, dtype=np.uint8))["counts"])


def encode_cells(labels: np.ndarray, height: int, width: int) -> dict[int, str]:
    """Encode every cell of a label image at the original size: cell number -> text; arguments as in `cell_runs`."""
    return {
        number: encode_runs(starts, ends, height, width)
        for number, (starts, ends) in cell_runs(labels, height, width).items()
    }


def encode_runs(starts: np.ndarray, ends: np.ndarray, height: int, width: int) -> str:
    """Encode the mask with these runs (as returned by `cell_runs`) in a field of height x width."""
    bounds = np.empty(2 * len(starts) + 2, np.int64)
    bounds[0], bounds[-1] = 0, height * width
    bounds[1:-1:2], bounds[2:-1:2] = starts, ends
    counts = np.diff(bounds)
    if counts[-1] == 0 and len(starts):
        counts = counts[:-1]
    return _pack(
        coco.frPyObjects({"counts": counts.tolist(), "size": [height, width]}, height, width)["counts"]
    )


def decode_runs(text: str, height: int, width: int) -> np.ndarray:
    """Decode the run lengths of an encoded mask: (n,) int64, column-major, background first, sum height x width.

    Raises MaskError if the text is not base64 of a zlib stream, or if its runs do not add up to height x width. Memory
    is bounded by `most_characters`, however far a short text expands.
    """
    counts = _read_counts(_unpack(text, most_characters(height * width)), height * width)
    if counts.min() < 0 or counts.max() > height * width or counts.sum() != height * width:
        raise MaskError(
            f"the runs of a mask cover {counts.sum()} pixels, "
            f"but the field has {height} x {width} = {height * width}: "
            "was the mask created at another size?"
        )
    return counts


def most_characters(pixels: int) -> int:
    """Return how many characters the compressed counts of a mask can have in a field of so many pixels.

    A mask has at most pixels + 1 runs: only the first can be empty. A number x takes one character for -16 <= x < 16
    and a further one only from |x| >= 16 (512, 16384, ...), so at most 1 + |x| / 16. A stored number is a run or the
    difference of two, so |x| is at most the larger of both; each run counts for two numbers at most, and all runs sum
    to `pixels`: pixels + 1 + 2 x pixels / 16 characters in all. Some encoders write an empty run at the end, so a few
    more are allowed. Masks beyond `MOST_CHARACTERS` are not read either.
    """
    return min(pixels + pixels // 8 + SPARE_RUNS, MOST_CHARACTERS)


def cell_runs(labels: np.ndarray, height: int, width: int) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Return the runs of every cell of a label image scaled to the original size, in one pass.

    labels: (h, w) unsigned label image of any size, 0 = background; it is resized to (height, width) by
    nearest-neighbour interpolation. Returns cell number -> (starts, ends), each (n,) int64: positions in the flattened
    field, column-major, ends exclusive, in increasing order and not touching. A cell without a pixel at the original
    size is absent; this can happen only if the field is smaller than the label image.
    """
    starts, ends, owners = _column_runs(labels, height, width)
    order = np.argsort(owners, kind="stable")
    starts, ends, owners = starts[order], ends[order], owners[order]
    # A run that continues from the foot of one column to the head of the next is a single run of the flattened image.
    opens = np.ones(len(starts), bool)
    opens[1:] = (owners[1:] != owners[:-1]) | (starts[1:] != ends[:-1])
    first = np.flatnonzero(opens)
    ends = ends[np.append(first, len(ends))[1:] - 1]
    starts, owners = starts[first], owners[first]
    numbers, begin = np.unique(owners, return_index=True)
    begin = np.append(begin, len(owners))
    return {
        number: (starts[a:b], ends[a:b])
        for number, a, b in zip(numbers.tolist(), begin[:-1], begin[1:], strict=True)
    }


def _column_runs(labels: np.ndarray, height: int, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Runs of equal label down each original column, without background: starts, ends (flat, column-major), labels."""
    stored_height, stored_width = labels.shape
    columns = np.ascontiguousarray(labels.T)
    change = np.ones((stored_width, stored_height), bool)
    np.not_equal(columns[:, 1:], columns[:, :-1], out=change[:, 1:])
    at = np.flatnonzero(change)
    owner = columns.ravel()[at]
    column, top = np.divmod(at, stored_height)
    foot = np.append(at[1:], columns.size) - column * stored_height
    row_start = np.searchsorted(nearest_index(stored_height, height), np.arange(stored_height + 1))
    column_start = np.searchsorted(nearest_index(stored_width, width), np.arange(stored_width + 1))
    top, foot = row_start[top], row_start[foot]
    keep = (owner != 0) & (foot > top)
    column, top, foot, owner = column[keep], top[keep], foot[keep], owner[keep]
    copies = np.diff(column_start)[column]
    within = np.arange(copies.sum()) - np.repeat(np.cumsum(copies) - copies, copies)
    offset = (np.repeat(column_start[column], copies) + within) * height
    starts, ends = offset + np.repeat(top, copies), offset + np.repeat(foot, copies)
    order = np.argsort(starts, kind="stable")
    return starts[order], ends[order], np.repeat(owner, copies)[order]


def _pack(counts: bytes) -> str:
    return base64.b64encode(zlib.compress(counts, 9)).decode("ascii")


def _unpack(text: str, most: int) -> bytes:
    """Undo base64 and zlib; raises MaskError beyond `most` bytes, before they are created."""
    stream = zlib.decompressobj()
    try:
        packed = stream.decompress(base64.b64decode(text, validate=True), most + 1)
    except (ValueError, zlib.error) as error:
        # ValueError: characters that are not base64, or not ASCII.
        raise MaskError(
            f"expected a mask as base64 of a zlib stream, found {text[:24]!r}: {error}"
        ) from error
    if len(packed) > most:
        raise MaskError(
            f"the mask {text[:24]!r} expands to more than {most} characters, too many for its field"
        )
    if not stream.eof:
        raise MaskError(f"expected a mask as base64 of a zlib stream, found {text[:24]!r}: it is cut off")
    if stream.unused_data:
        raise MaskError(
            f"expected a mask as base64 of a zlib stream, found {text[:24]!r}: more data follows it"
        )
    return packed


def _read_counts(packed: bytes, pixels: int) -> np.ndarray:
    """Decode run lengths from COCO's compressed counts, not many more than pixels; returns (n,) int64.

    Each count is stored in groups of five bits, lowest first. Bit 5 of a group means that more groups follow; the
    highest bit of the last group is the sign. From the fourth count on, the difference to the count two places before
    is stored.
    """
    codes = np.frombuffer(packed, np.uint8) - np.uint8(48)
    if not len(codes) or codes.max() > 63 or codes[-1] & 32:
        raise MaskError(f"not compressed COCO run lengths: {packed[:24]!r}")
    final = (codes & 32) == 0
    runs = np.count_nonzero(final)
    if runs > pixels + SPARE_RUNS:
        raise MaskError(f"a mask has {runs} runs, but its field only {pixels} pixels")
    counts = np.empty(runs, np.int64)
    begin = done = 0
    while begin < len(codes):
        # A block ends with a whole number. Blocks bound the memory for 64-bit intermediate results.
        end = min(begin + _BLOCK, len(codes))
        last = np.flatnonzero(final[begin:end])
        if not len(last):
            raise MaskError(f"a COCO run length has more than 40 bits: {packed[:24]!r}")
        end = begin + int(last[-1]) + 1
        counts[done : done + len(last)] = _numbers(codes[begin:end], last, packed)
        begin, done = end, done + len(last)
    counts[1::2] = np.cumsum(counts[1::2])
    counts[2::2] = np.cumsum(counts[2::2])
    return counts


def _numbers(codes: np.ndarray, last: np.ndarray, packed: bytes) -> np.ndarray:
    """Numbers (n,) int64 of groups (m,) uint8. last: (n,) position of the last group of each number."""
    first = np.append(0, last[:-1] + 1)
    place = np.arange(len(codes)) - np.repeat(first, last - first + 1)
    if place.max() > 7:
        raise MaskError(f"a COCO run length has more than 40 bits: {packed[:24]!r}")
    groups = codes.astype(np.int64)
    numbers = np.add.reduceat((groups & 31) << (5 * place), first)
    return numbers - np.where(groups[last] & 16, np.int64(1) << (5 * (last - first + 1)), 0)
