"""Intersection over union of masks and of their bounding boxes, computed from run lengths without decoding masks."""

from collections.abc import Sequence

import numpy as np

from puzzlecell.data.rle import decode_runs

Runs = tuple[np.ndarray, np.ndarray]
"""Starts and ends (n,) int64 of a mask's runs in the flattened field, column-major; ends are exclusive."""


def mask_runs(text: str, height: int, width: int) -> Runs:
    """Runs of an encoded mask of a submission. Raises ValueError as `decode_runs`."""
    bounds = np.cumsum(decode_runs(text, height, width))
    starts, ends = bounds[:-1:2], bounds[1::2]
    return starts[: len(ends)], ends


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
    steps = np.zeros((len(places), len(masks)), np.float32)
    np.add.at(steps, (at[: len(starts)], owner), 1)
    np.add.at(steps, (at[len(starts) :], owner), -1)
    inside = np.cumsum(steps, axis=0)[:-1].astype(np.float64)
    length = np.diff(places).astype(np.float64)
    area = length @ inside
    n = len(detected)
    both = (inside[:, :n] * length[:, None]).T @ inside[:, n:]
    union = area[:n, None] + area[None, n:] - both
    return np.divide(both, union, out=np.zeros_like(both), where=union > 0)


def box_iou(detected: Sequence[Runs], true: Sequence[Runs], height: int) -> np.ndarray:
    """Return the (n, t) float64 IoU of the bounding boxes of masks, 0 for an empty mask."""
    first, second = (
        np.array([_box(runs, height) for runs in masks]).reshape(-1, 4) for masks in (detected, true)
    )
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    both = np.clip(high - low, 0, None).prod(axis=2)
    area = [(boxes[:, 2:] - boxes[:, :2]).prod(axis=1) for boxes in (first, second)]
    union = area[0][:, None] + area[1][None] - both
    return np.divide(both, union, out=np.zeros(both.shape), where=union > 0)


def _box(runs: Runs, height: int) -> list[int]:
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
