"""Overlaps of the detected cells of a field with its true cells."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from puzzlecell.data.iou import Runs, box_iou, mask_iou, mask_runs
from puzzlecell.data.rle import cell_runs
from puzzlecell.data.submission_file import SUBMISSION_COLUMNS, triplets


@dataclass(frozen=True)
class FieldOverlaps:
    """One field: its detections' masks against its true cells.

    keys: mask number or text of each detected mask (n). iou: (n, t) float64. classes: (t, C) bool, what
    each true cell shows.
    """

    keys: list
    iou: np.ndarray
    classes: np.ndarray


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
    detected: Mapping[int, Runs] | Mapping[str, Runs],
    truth: str,
    field_id: str,
    *,
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
