"""Overlaps of detected cells with ground-truth cells."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from puzzlecell.data.iou import Runs, box_iou, mask_iou, runs_of_masks
from puzzlecell.data.rle import cell_runs, masks_of
from puzzlecell.data.submission_file import SUBMISSION_COLUMNS, SubmissionError, triplets
from puzzlecell.errors import UserError


class ScoreError(UserError):
    """Predictions and ground truth that cannot be compared; the message names the field."""


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

    Raises ScoreError for anything but triplets `class 1 mask` of known classes.
    """
    rows: dict[str, set[int]] = {}
    try:
        for index, _, mask in triplets(text, classes):
            rows.setdefault(mask, set()).add(index)
    except SubmissionError as error:
        raise ScoreError(f"ground truth of field {field_id}: {error}") from error
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

    Raises MaskError or ScoreError naming the field for an invalid mask or class.
    """
    texts, shows = true_cells(truth, classes, field_id)
    with masks_of(f"ground truth of field {field_id}"):
        true = list(runs_of_masks(texts, height, width).values())
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
