"""Run-length encoding of masks in the format of the HPA 2021 challenge.

A mask at the size of the original field is encoded as COCO run lengths (column-major, compressed counts), then zlib,
then base64. Stored label images are smaller than the field, so the runs of each cell are computed on the stored image
and scaled; the full-size mask is never created.
"""

import base64
import binascii
import zlib

import numpy as np
from pycocotools import mask as coco

from puzzlecell.data.label_images import nearest_index


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

    Raises ValueError if the text is not base64 of a zlib stream, or if its runs do not add up to height x width.
    """
    try:
        packed = zlib.decompress(base64.b64decode(text, validate=True))
    except (binascii.Error, zlib.error) as error:
        raise ValueError(
            f"expected a mask as base64 of a zlib stream, found {text[:24]!r}: {error}"
        ) from error
    counts = _read_counts(packed)
    if counts.sum() != height * width or (counts < 0).any():
        raise ValueError(
            f"the runs of a mask cover {counts.sum()} pixels, "
            f"but the field has {height} x {width} = {height * width}: "
            "were width and height swapped, or was the mask created at another size?"
        )
    return counts


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


def _read_counts(packed: bytes) -> np.ndarray:
    """Decode run lengths from COCO's compressed counts.

    Each count is stored in groups of five bits, lowest first. Bit 5 of a group means that more groups follow; the
    highest bit of the last group is the sign. From the fourth count on, the difference to the count two places before
    is stored.
    """
    codes = np.frombuffer(packed, np.uint8).astype(np.int64) - 48
    if not len(codes) or (codes < 0).any() or (codes > 63).any() or codes[-1] & 32:
        raise ValueError(f"not compressed COCO run lengths: {packed[:24]!r}")
    last = np.flatnonzero((codes & 32) == 0)
    first = np.append(0, last[:-1] + 1)
    place = np.arange(len(codes)) - np.repeat(first, last - first + 1)
    if place.max() > 7:
        raise ValueError(f"a COCO run length has more than 40 bits: {packed[:24]!r}")
    counts = np.add.reduceat((codes & 31) << (5 * place), first)
    counts -= np.where(codes[last] & 16, np.int64(1) << (5 * (last - first + 1)), 0)
    counts[1::2] = np.cumsum(counts[1::2])
    counts[2::2] = np.cumsum(counts[2::2])
    return counts
