"""Masks as text, in the format of the HPA 2021 competition.

A mask of the original field becomes COCO run lengths (columns first, compressed counts), then zlib, then
base64. Stored label images are smaller than the field, so every cell's runs are found in the stored image and
stretched; the full-size mask is never made.
"""

import base64
import binascii
import zlib

import numpy as np
from pycocotools import mask as coco

from puzzlecell.data.label_images import nearest_index


def encode_mask(mask: np.ndarray) -> str:
    """Text of one mask: (H, W) bool at the original size -> COCO RLE -> zlib -> base64."""
    if mask.ndim != 2:
        raise ValueError(f"a mask has two axes (H, W), this one has shape {mask.shape}")
    return _pack(coco.encode(np.asfortranarray(mask, dtype=np.uint8))["counts"])


def encode_cells(labels: np.ndarray, height: int, width: int) -> dict[int, str]:
    """Text of every cell of a label image at the original size, each made once; arguments as `cell_runs`."""
    return {
        number: encode_runs(starts, ends, height, width)
        for number, (starts, ends) in cell_runs(labels, height, width).items()
    }


def encode_runs(starts: np.ndarray, ends: np.ndarray, height: int, width: int) -> str:
    """Text of the mask with these runs (as `cell_runs` gives them) in a field of height x width."""
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
    """Run lengths of a mask's text, (n,) int64, columns first, background first; they sum to height x width.

    Raises ValueError if the text is no base64, no zlib stream, or its runs do not add up to height x width.
    """
    try:
        packed = zlib.decompress(base64.b64decode(text, validate=True))
    except (binascii.Error, zlib.error) as error:
        raise ValueError(
            f"a mask must be base64 of a zlib stream, but {text[:24]!r} is not: {error}"
        ) from error
    counts = _read_counts(packed)
    if counts.sum() != height * width or (counts < 0).any():
        raise ValueError(
            f"the runs of a mask cover {counts.sum()} pixels, "
            f"the field has {height} x {width} = {height * width}: "
            "were width and height swapped, or was the mask made at another size?"
        )
    return counts


def cell_runs(labels: np.ndarray, height: int, width: int) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Runs of every cell of a label image stretched to the original size, in one pass.

    labels: (h, w) unsigned label image, 0 = background, of any size; it is stretched to (height, width) by
    nearest neighbour. Returns cell number -> (starts, ends), (n,) int64 places in the flat field, columns
    first, ends not included, in increasing order and not touching. A cell with no pixel left at the
    original size (it can vanish only where the field is smaller than the label image) is absent.
    """
    starts, ends, owners = _column_runs(labels, height, width)
    order = np.argsort(owners, kind="stable")
    starts, ends, owners = starts[order], ends[order], owners[order]
    # What goes on from the foot of a column to the head of the next one is a single run of the flat image.
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
    """Runs of equal label down each original column: starts, ends (flat, columns first), labels; no
    background.
    """
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


def _read_counts(packed: bytes) -> np.ndarray:
    """Run lengths from COCO's compressed counts.

    Groups of five bits from the low end, bit 5 says "more follows", the highest bit of the last group is
    the sign; from the fourth count on, the count two places before is added.
    """
    codes = np.frombuffer(packed, np.uint8).astype(np.int64) - 48
    if not len(codes) or (codes < 0).any() or (codes > 63).any() or codes[-1] & 32:
        raise ValueError(f"these are no compressed COCO run lengths: {packed[:24]!r}")
    last = np.flatnonzero((codes & 32) == 0)
    first = np.append(0, last[:-1] + 1)
    place = np.arange(len(codes)) - np.repeat(first, last - first + 1)
    if place.max() > 7:
        raise ValueError(f"a COCO run length of more than 40 bits: {packed[:24]!r}")
    counts = np.add.reduceat((codes & 31) << (5 * place), first)
    counts -= np.where(codes[last] & 16, np.int64(1) << (5 * (last - first + 1)), 0)
    counts[1::2] = np.cumsum(counts[1::2])
    counts[2::2] = np.cumsum(counts[2::2])
    return counts
