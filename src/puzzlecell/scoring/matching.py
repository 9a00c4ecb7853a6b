"""Overlaps of detected cells with ground-truth cells."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from puzzlecell.data.iou import Runs, box_iou, mask_iou, mask_runs
from puzzlecell.data.rle import cell_runs
from puzzlecell.data.submission_file import SUBMISSION_COLUMNS, triplets


@dataclass(frozen=True)
class FieldOverlaps:
    """Detected masks of a field against its ground-truth cells.

    keys: cell number or encoded text of each detected mask (n). iou: (n, t) float64. classes: (t, C) bool, the classes
    of each ground-truth cell.
    """

    keys: list
    iou: np.ndarray
    classes: np.ndarray


def true_cells(text: str, classes: int, field_id: str) -> tuple[list[str], np.ndarray]:
    """Distinct encoded masks of a field's ground-truth cells, and the classes (t, C) bool of each.

    Raises ValueError for a class that does not exist.
    """
    rows: dict[str, set[int]] = {}
    for index, _, mask in triplets(text):
        if not 0 <= index < classes:
            raise ValueError(
                f"ground truth of {field_id}: class {index}, but the classes are 0 to {classes - 1}"
            )
        rows.setdefault(mask, set()).add(index)
    shows = np.zeros((len(rows), classes), bool)
    for row, indices in enumerate(rows.values()):
        shows[row, list(indices)] = True
    return list(rows), shows


def field_overlaps(
    detected: Mapping[int, Runs] | Mapping[str, Runs],
    truth: str,
    field_id: str,
    *,
    height: int,
    width: int,
    classes: int,
    overlap: str,
) -> FieldOverlaps:
    """Overlap detected masks (runs by key) with the ground-truth cells of a prediction string, by `mask` or `box`.

    Raises ValueError naming the field for an invalid mask or class.
    """
    texts, shows = true_cells(truth, classes, field_id)
    try:
        true = [mask_runs(text, height, width) for text in texts]
    except ValueError as error:
        raise ValueError(f"ground truth of {field_id}: {error}") from error
    masks = list(detected.values())
    iou = mask_iou(masks, true) if overlap == "mask" else box_iou(masks, true, height)
    return FieldOverlaps(list(detected), iou, shows)


def overlaps_of_cells(
    labels_of: Callable[[str], np.ndarray | None], truth: pd.DataFrame, classes: int, overlap: str = "mask"
) -> dict[str, FieldOverlaps]:
    """Overlaps, by ID, of the cells in a field's label image with the field's ground truth; keys are cell numbers.

    labels_of: returns the label image (M, M) of a field, or None; it is resized to the original size, as in a
    submission. truth: columns `ID, ImageWidth, ImageHeight, PredictionString`.
    """
    result = {}
    for row in truth[list(SUBMISSION_COLUMNS)].itertuples(index=False):
        labels = labels_of(row.ID)
        detected = {} if labels is None else cell_runs(labels, row.ImageHeight, row.ImageWidth)
        result[row.ID] = field_overlaps(
            detected,
            row.PredictionString,
            row.ID,
            height=row.ImageHeight,
            width=row.ImageWidth,
            classes=classes,
            overlap=overlap,
        )
    return result
