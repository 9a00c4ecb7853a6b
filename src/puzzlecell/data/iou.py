"""Intersection over union of masks and of their boxes, from run lengths: no mask is ever drawn."""

from collections.abc import Sequence

import numpy as np

from puzzlecell.data.rle import decode_runs

Runs = tuple[np.ndarray, np.ndarray]
"""Starts and ends (n,) int64 of a mask's runs in the flat field, columns first; ends are not included."""


def mask_runs(text: str, height: int, width: int) -> Runs:
    """Runs of a mask given as the competition's text. Raises ValueError as `decode_runs`."""
    bounds = np.cumsum(decode_runs(text, height, width))
    starts, ends = bounds[:-1:2], bounds[1::2]
    return starts[: len(ends)], ends


def mask_iou(detected: Sequence[Runs], true: Sequence[Runs]) -> np.ndarray:
    """(n, t) float64 intersection over union of masks of one field, 0 where both are empty; masks may
    overlap.
    """
    masks = [*detected, *true]
    if not detected or not true:
        return np.zeros((len(detected), len(true)))
    owner = np.repeat(np.arange(len(masks)), [len(starts) for starts, _ in masks])
    starts, ends = (np.concatenate([runs[side] for runs in masks]) for side in (0, 1))
    places, at = np.unique(np.concatenate([starts, ends]), return_inverse=True)
    if not len(places):
        return np.zeros((len(detected), len(true)))
    # Between two neighbouring places every mask is all or nothing.
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
    """(n, t) float64 intersection over union of the masks' boxes, 0 for an empty mask."""
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
    """[y0, x0, y1, x1] of a mask, ends not included; zeros for an empty one."""
    starts, ends = runs
    if not len(starts):
        return [0, 0, 0, 0]
    columns, last = starts // height, (ends - 1) // height
    # A run over several columns reaches both the top and the bottom.
    crosses = bool((columns != last).any())
    top = 0 if crosses else int((starts - columns * height).min())
    bottom = height if crosses else int((ends - last * height).max())
    return [top, int(columns.min()), bottom, int(last.max()) + 1]
