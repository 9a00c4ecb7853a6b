"""Why true cells are missed: each true cell and class gets `found` or one reason.

A cell counts as found where a good mask has the class at or above the class's working point, the confidence
of its best F1. The reasons, the first that holds:

- `no_cell`: no detection overlaps the true cell by more than `missing_iou`; - `poor_mask`: the best overlap
is under the threshold of the score; - `wrong_class`: a good mask is there, but it claims, at or above the
working point, a class that the cell does not show, or it has no detection of the class at all; -
`ranked_low`: a good mask is there and claims nothing wrong, but its confidence is under the working point.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from puzzlecell.config.score import ScoreSettings
from puzzlecell.scoring.matching import FieldOverlaps

REASONS = ("found", "no_cell", "poor_mask", "wrong_class", "ranked_low")


def working_points(
    index: np.ndarray, confidence: np.ndarray, hit: np.ndarray, cells: np.ndarray
) -> np.ndarray:
    """(C,) confidence at which each class has its best F1, infinite where nothing is found.

    index, confidence, hit: (n,) detections by falling confidence; cells: (C,) true cells.
    """
    points = np.full(len(cells), np.inf)
    for number, count in enumerate(cells):
        chosen = index == number
        true = np.cumsum(hit[chosen])
        if len(true) and true[-1]:
            f1 = 2 * true / (np.arange(1, len(true) + 1) + count)
            points[number] = confidence[chosen][f1.argmax()]
    return points


def split_misses(
    overlaps: Mapping[str, FieldOverlaps],
    detections: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray]],
    points: np.ndarray,
    settings: ScoreSettings,
) -> pd.DataFrame:
    """Number of true cells of each class by reason: `class` and the columns of `REASONS`.

    detections: ID -> (rows of the field's overlaps, classes, confidences); points: (C,) working points.
    """
    counts = np.zeros((len(points), len(REASONS)), int)
    for field_id, field in overlaps.items():
        claimed = np.full((len(field.keys), len(points)), -np.inf)
        rows, index, confidence = detections.get(field_id, ((), (), ()))
        if len(rows):
            np.maximum.at(claimed, (rows, index), confidence)
        offered = ~np.isneginf(claimed).all(axis=1)
        for cell, shows in enumerate(field.classes):
            iou = np.where(offered, field.iou[:, cell], 0)
            good = np.flatnonzero(iou >= settings.iou_threshold)
            for number in np.flatnonzero(shows).tolist():
                reason = _reason(
                    claimed[good], iou, shows, number, points=points, missing_iou=settings.missing_iou
                )
                counts[number, reason] += 1
    table = pd.DataFrame(counts, columns=list(REASONS))
    table.insert(0, "class", np.arange(len(points)))
    return table


def _reason(
    claimed: np.ndarray,
    iou: np.ndarray,
    shows: np.ndarray,
    number: int,
    *,
    points: np.ndarray,
    missing_iou: float,
) -> int:
    """Index into `REASONS` for one true cell and class; claimed: (good masks, C) confidences."""
    if (claimed[:, number] >= points[number]).any():
        return 0
    if iou.max(initial=0) <= missing_iou:
        return 1
    if not len(claimed):
        return 2
    wrong = (claimed[:, ~shows] >= points[~shows]).any() or np.isneginf(claimed[:, number]).all()
    return 3 if wrong else 4
