"""True cells that were missed, with the place of each, so that they can be looked at."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from puzzlecell.data.iou import bounding_box, mask_runs
from puzzlecell.scoring.error_analysis import REASONS, Verdict
from puzzlecell.scoring.matching import FieldOverlaps, true_cells

FOUND = REASONS.index("found")


@dataclass(frozen=True)
class MissedCell:
    """A class of a true cell that was missed.

    cell: number of the segmented cell that overlaps it most, 0 if none does. y0, x0, y1, x1: bounding box of the true
    cell in raw pixels, ends not included. Otherwise as `puzzlecell.scoring.error_analysis.Verdict`.
    """

    field_id: str
    index: int
    reason: int
    cell: int
    iou: float
    confidence: float
    y0: int
    x0: int
    y1: int
    x1: int


def missed_cells(
    verdicts: Iterable[Verdict],
    overlaps: Mapping[str, FieldOverlaps],
    truth: pd.DataFrame,
    *,
    classes: int,
    most: int,
) -> list[MissedCell]:
    """Return missed cells, at most `most` of each class and reason, sorted by class and reason.

    Of more, those stay that were missed most clearly: those with the lowest confidence of the class, then with the
    lowest overlap. overlaps: by ID, with numbers of segmented cells as keys. truth: `ID, ImageWidth, ImageHeight,
    PredictionString`.
    """
    groups: dict[tuple[int, int], list[Verdict]] = {}
    for verdict in verdicts:
        if verdict.reason != FOUND:
            groups.setdefault((verdict.index, verdict.reason), []).append(verdict)
    fields = truth.set_index("ID")
    found = []
    for _, group in sorted(groups.items()):
        for verdict in sorted(group, key=_clearness)[:most]:
            field = fields.loc[verdict.field_id]
            height, width = int(field["ImageHeight"]), int(field["ImageWidth"])
            text = true_cells(field["PredictionString"], classes, verdict.field_id)[0][verdict.true]
            keys: Sequence[int] = overlaps[verdict.field_id].keys
            found.append(
                MissedCell(
                    verdict.field_id,
                    verdict.index,
                    verdict.reason,
                    int(keys[verdict.best]) if verdict.best >= 0 else 0,
                    verdict.iou,
                    verdict.confidence,
                    *bounding_box(mask_runs(text, height, width), height),
                )
            )
    return found


def _clearness(verdict: Verdict) -> tuple[float, float, str, int]:
    said = -1.0 if np.isnan(verdict.confidence) else verdict.confidence
    return said, verdict.iou, verdict.field_id, verdict.true
