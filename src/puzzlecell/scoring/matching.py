"""Overlaps of the detected cells of a field with its true cells, from run lengths: no mask is ever drawn."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from puzzlecell.data.rle import cell_runs, decode_runs
from puzzlecell.ensemble.submission import COLUMNS, triplets

Runs = tuple[np.ndarray, np.ndarray]
"""Starts and ends (n,) int64 of a mask's runs in the flat field, columns first; ends are not included."""


@dataclass(frozen=True)
class FieldOverlaps:
    """One field: its detections' masks against its true cells.

    keys: mask number or text of each detected mask (n). iou: (n, t) float64. classes: (t, C) bool, what
    each true cell shows.
    """

    keys: list
    iou: np.ndarray
    classes: np.ndarray


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


def true_cells(text: str, classes: int, field_id: str) -> tuple[list[str], np.ndarray]:
    """Mask texts of a field's true cells, each once, and the classes (t, C) bool that each shows.

    Raises ValueError for a class that there is not.
    """
    rows: dict[str, set[int]] = {}
    for index, _, mask in triplets(text):
        if not 0 <= index < classes:
            raise ValueError(f"truth of {field_id}: class {index}, but the classes are 0 to {classes - 1}")
        rows.setdefault(mask, set()).add(index)
    shows = np.zeros((len(rows), classes), bool)
    for row, indices in enumerate(rows.values()):
        shows[row, list(indices)] = True
    return list(rows), shows


def field_overlaps(
    detected: Mapping[object, Runs],
    truth: str,
    field_id: str,
    height: int,
    width: int,
    classes: int,
    overlap: str,
) -> FieldOverlaps:
    """Overlaps of detected masks (key -> runs) with the true cells in a PredictionString, by `mask` or by
    `box`.

    Raises ValueError naming the field for a mask or class that cannot be.
    """
    texts, shows = true_cells(truth, classes, field_id)
    try:
        true = [mask_runs(text, height, width) for text in texts]
    except ValueError as error:
        raise ValueError(f"truth of {field_id}: {error}") from error
    masks = list(detected.values())
    iou = mask_iou(masks, true) if overlap == "mask" else box_iou(masks, true, height)
    return FieldOverlaps(list(detected), iou, shows)


def overlaps_of_cells(
    labels_of: Callable[[str], np.ndarray | None], truth: pd.DataFrame, classes: int, overlap: str = "mask"
) -> dict[str, FieldOverlaps]:
    """ID -> overlaps of the cells in a field's label image with the field's truth; keys are cell numbers.

    labels_of: label image (M, M) of a field, stretched to the original size as in a submission. truth:
    columns `ID, ImageWidth, ImageHeight, PredictionString`.
    """
    result = {}
    for row in truth[list(COLUMNS)].itertuples(index=False):
        labels = labels_of(row.ID)
        detected = {} if labels is None else cell_runs(labels, row.ImageHeight, row.ImageWidth)
        result[row.ID] = field_overlaps(
            detected, row.PredictionString, row.ID, row.ImageHeight, row.ImageWidth, classes, overlap
        )
    return result
