"""Intersection over union of masks and of their bounding boxes, computed from run lengths without decoding masks."""

from collections.abc import Iterable, Sequence

import numpy as np

from puzzlecell.data.rle import MaskError, decode_runs

Runs = tuple[np.ndarray, np.ndarray]
"""Starts and ends (n,) int64 of a mask's runs in the flattened field, column-major; ends are exclusive."""


MOST_RUNS = 2**26
"""Runs of all masks of one field that are read, whatever its size; each takes 16 bytes."""
_BLOCK = 2**22


def mask_runs(text: str, height: int, width: int) -> Runs:
    """Runs of an encoded mask of a submission. Raises MaskError as `decode_runs`."""
    bounds = np.cumsum(decode_runs(text, height, width))
    starts, ends = bounds[:-1:2], bounds[1::2]
    return starts[: len(ends)], ends


def runs_of_masks(texts: Iterable[str], height: int, width: int) -> dict[str, Runs]:
    """Runs of the distinct encoded masks of one field, by text.

    Raises MaskError for a mask that `decode_runs` refuses, and for more runs in all than `most_runs`.
    """
    most, total = most_runs(height * width), 0
    runs: dict[str, Runs] = {}
    for text in dict.fromkeys(texts):
        runs[text] = mask_runs(text, height, width)
        total += len(runs[text][0])
        if total > most:
            raise MaskError(
                f"the masks have more than {most} runs in all, too many for a field of {height} x {width}"
            )
    return runs


def most_runs(pixels: int) -> int:
    """Return how many runs all masks of one field may have: 8 x pixels, but at least 2**20 and at most 2**26.

    Cells that do not overlap have at most one run per pixel. Several overlapping layers of them are allowed.
    """
    return min(max(8 * pixels, 2**20), MOST_RUNS)


def mask_iou(detected: Sequence[Runs], true: Sequence[Runs]) -> np.ndarray:
    """Return the (n, t) float64 IoU of the masks of one field, 0 where both are empty; masks may overlap."""
    masks = [*detected, *true]
    if not detected or not true:
        return np.zeros((len(detected), len(true)))
    owner = np.repeat(np.arange(len(masks)), [len(starts) for starts, _ in masks])
    starts, ends = (np.concatenate([runs[side] for runs in masks]) for side in (0, 1))
    places, at = np.unique(np.concatenate([starts, ends]), return_inverse=True)
    if not len(places):
        return np.zeros((len(detected), len(true)))
    # Between two neighbouring run boundaries, each mask covers either all pixels or none.
    length = np.diff(places).astype(np.float64)
    order = np.argsort(at, kind="stable")
    at, owner, step = at[order], np.tile(owner, 2)[order], np.repeat([1.0, -1.0], len(starts))[order]
    n, rows = len(detected), max(_BLOCK // len(masks), 1)
    covered, area, both = np.zeros(len(masks)), np.zeros(len(masks)), np.zeros((n, len(true)))
    # All sums are of whole numbers and exact, so the size of the blocks, which bound the memory, has no effect.
    for begin in range(0, len(length), rows):
        end = min(begin + rows, len(length))
        events = slice(*np.searchsorted(at, [begin, end]))
        inside = np.zeros((end - begin, len(masks)))
        np.add.at(inside, (at[events] - begin, owner[events]), step[events])
        inside[0] += covered
        np.cumsum(inside, axis=0, out=inside)
        covered = inside[-1].copy()
        area += length[begin:end] @ inside
        both += (inside[:, :n] * length[begin:end, None]).T @ inside[:, n:]
    union = area[:n, None] + area[None, n:] - both
    return np.divide(both, union, out=np.zeros_like(both), where=union > 0)


def box_iou(detected: Sequence[Runs], true: Sequence[Runs], height: int) -> np.ndarray:
    """Return the (n, t) float64 IoU of the bounding boxes of masks, 0 for an empty mask."""
    first, second = (
        np.array([bounding_box(runs, height) for runs in masks]).reshape(-1, 4) for masks in (detected, true)
    )
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    both = np.clip(high - low, 0, None).prod(axis=2)
    area = [(boxes[:, 2:] - boxes[:, :2]).prod(axis=1) for boxes in (first, second)]
    union = area[0][:, None] + area[1][None] - both
    return np.divide(both, union, out=np.zeros(both.shape), where=union > 0)


def bounding_box(runs: Runs, height: int) -> list[int]:
    """Bounding box [y0, x0, y1, x1] of a mask, ends exclusive; zeros for an empty mask."""
    starts, ends = runs
    if not len(starts):
        return [0, 0, 0, 0]
    columns, last = starts // height, (ends - 1) // height
    # A run across several columns touches both the top and the bottom of the field.
    crosses = bool((columns != last).any())
    top = 0 if crosses else int((starts - columns * height).min())
    bottom = height if crosses else int((ends - last * height).max())
    return [top, int(columns.min()), bottom, int(last.max()) + 1]
