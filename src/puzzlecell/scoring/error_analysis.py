"""Error analysis: why ground-truth cells are missed.

Each ground-truth cell and class counts as `found` or gets one reason. It is found if a mask that reaches the IoU
threshold of the score (a good mask) has the class at or above the working point of the class: the confidence at which
its F1 is best. Otherwise, the first reason that holds:

- `no_cell`: no detection overlaps the cell by more than `missing_iou`.
- `poor_mask`: the best overlap is below the IoU threshold of the score.
- `wrong_class`: there is a good mask, but it predicts, at or above the working point, a class that the cell does not
  show, or it has no detection of the class at all.
- `ranked_low`: there is a good mask without a wrong class, but its confidence is below the working point.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from puzzlecell.config.score import ScoreSettings
from puzzlecell.scoring.matching import FieldOverlaps

REASONS = ("found", "no_cell", "poor_mask", "wrong_class", "ranked_low")


def working_points(
    index: np.ndarray, confidence: np.ndarray, hit: np.ndarray, cells: np.ndarray
) -> np.ndarray:
    """Confidence (C,) at which each class has its best F1, infinite for a class without true positives.

    index, confidence, hit: (n,) detections by decreasing confidence; cells: (C,) number of ground-truth cells.
    """
    points = np.full(len(cells), np.inf)
    for number, count in enumerate(cells):
        chosen = index == number
        true = np.cumsum(hit[chosen])
        if len(true) and true[-1]:
            f1 = 2 * true / (np.arange(1, len(true) + 1) + count)
            points[number] = confidence[chosen][f1.argmax()]
    return points


@dataclass(frozen=True)
class Verdict:
    """What became of a class of a ground-truth cell.

    field_id, true: the field and the row of the cell in its overlaps. index: the class. reason: index into `REASONS`.
    best: row of the detected mask that overlaps the cell most, -1 if none overlaps it; iou: their IoU. confidence: of
    the class, of the most confident good mask; NaN without one.
    """

    field_id: str
    true: int
    index: int
    reason: int
    best: int
    iou: float
    confidence: float


def split_misses(
    overlaps: Mapping[str, FieldOverlaps],
    detections: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray]],
    points: np.ndarray,
    settings: ScoreSettings,
) -> pd.DataFrame:
    """Count the ground-truth cells of each class by reason: `class` and the columns of `REASONS`.

    detections: as in `puzzlecell.scoring.average_precision.match`; points: (C,) working points.
    """
    counts = np.zeros((len(points), len(REASONS)), int)
    for verdict in verdicts(overlaps, detections, points, settings):
        counts[verdict.index, verdict.reason] += 1
    table = pd.DataFrame(counts, columns=list(REASONS))
    table.insert(0, "class", np.arange(len(points)))
    return table


def verdicts(
    overlaps: Mapping[str, FieldOverlaps],
    detections: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray]],
    points: np.ndarray,
    settings: ScoreSettings,
) -> Iterator[Verdict]:
    """Yield what became of each class of each ground-truth cell, field by field; arguments as in `split_misses`."""
    for field_id, field in overlaps.items():
        claimed = np.full((len(field.keys), len(points)), -np.inf)
        rows, index, confidence = detections.get(field_id, ((), (), ()))
        if len(rows):
            np.maximum.at(claimed, (rows, index), confidence)
        offered = ~np.isneginf(claimed).all(axis=1)
        for cell, shows in enumerate(field.classes):
            iou = np.where(offered, field.iou[:, cell], 0)
            good = np.flatnonzero(iou >= settings.iou_threshold)
            best = int(iou.argmax()) if iou.max(initial=0) > 0 else -1
            for number in np.flatnonzero(shows).tolist():
                said = claimed[good, number].max(initial=-np.inf)
                yield Verdict(
                    field_id,
                    cell,
                    number,
                    _reason(
                        claimed[good], iou, shows, number, points=points, missing_iou=settings.missing_iou
                    ),
                    best,
                    float(iou[best]) if best >= 0 else 0.0,
                    float(said) if said > -np.inf else np.nan,
                )


def _reason(
    claimed: np.ndarray,
    iou: np.ndarray,
    shows: np.ndarray,
    number: int,
    *,
    points: np.ndarray,
    missing_iou: float,
) -> int:
    """Index into `REASONS` of one ground-truth cell and class; claimed: (good masks, C) confidences."""
    if (claimed[:, number] >= points[number]).any():
        return 0
    if iou.max(initial=0) <= missing_iou:
        return 1
    if not len(claimed):
        return 2
    wrong = (claimed[:, ~shows] >= points[~shows]).any() or np.isneginf(claimed[:, number]).all()
    return 3 if wrong else 4
