"""What the cells of a data set truly show, as far as it is known: classes per segmented cell."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from puzzlecell.config.score import ScoreSettings
from puzzlecell.data.rle import masks_of
from puzzlecell.data.store import ShardReader
from puzzlecell.data.submission_file import read_submission
from puzzlecell.data.tables import read_parquet
from puzzlecell.scoring.matching import FieldOverlaps, ScoreError, overlaps_of_cells
from puzzlecell.teaching.graded_cells import SHOWN, grades_of


@dataclass(frozen=True)
class KnownCells:
    """Cells whose classes are known.

    cells: `ID, cell` and whatever columns the table of cells had. truth: (n, C) float64, 1 if the cell shows the class,
    0 if it does not, NaN if that is not known.
    """

    cells: pd.DataFrame
    truth: np.ndarray


def known_cells(
    cells: pd.DataFrame,
    truth: str | os.PathLike,
    masks: Sequence[str | os.PathLike],
    *,
    classes: int,
    settings: ScoreSettings,
) -> KnownCells:
    """Return the cells that are true cells, with the classes of these.

    cells: table with `ID, cell` of any of the fields, such as `results/oof/cells/<ds>.parquet`. truth: table of true
    cells, masks: shards of label images. Raises the errors of `read_submission` and `cell_truth`.
    """
    known = read_submission(truth, classes)
    wanted = set(cells["ID"])
    with masks_of(truth):
        values = cell_truth(
            cells, ShardReader(masks).get, known[known["ID"].isin(wanted)], classes=classes, settings=settings
        )
    found = ~np.isnan(values).all(axis=1)
    return KnownCells(cells[found].reset_index(drop=True), values[found])


def graded_cells(cells: pd.DataFrame, graded: str | os.PathLike) -> KnownCells:
    """Return the cells that people graded, but for those that are held out.

    cells: as in `known_cells`. graded: table of `write_graded_cells`. A cell shows a class from a soft value of 0.5 on.
    Raises UserError for graded cells that are not in the table.
    """
    grades = read_parquet(graded)
    values = grades_of(cells, grades[~grades["held_out"]], graded)
    found = ~np.isnan(values).all(axis=1)
    shown = np.where(np.isnan(values), np.nan, values >= SHOWN)
    return KnownCells(cells[found].reset_index(drop=True), shown[found])


def cell_truth(
    cells: pd.DataFrame,
    labels_of: Callable[[str], np.ndarray | None],
    truth: pd.DataFrame,
    *,
    classes: int,
    settings: ScoreSettings,
) -> np.ndarray:
    """Classes (n, C) float64 of cells: those of the true cell that each is, in a row of 0 and 1; NaN if it is none.

    A segmented and a true cell are the same if their IoU reaches `iou_threshold`; of several candidates, the pair with
    the highest IoU counts, and each true cell is at most one segmented cell. cells: `ID, cell`. labels_of: label image
    (M, M) of a field. truth: `ID, ImageWidth, ImageHeight, PredictionString`. Raises ScoreError for fields without
    ground truth, MaskError for masks of the ground truth that cannot be read.
    """
    overlaps = overlaps_of_cells(labels_of, truth, classes, settings.overlap)
    unknown = sorted(set(cells["ID"]) - set(overlaps))
    if unknown:
        raise ScoreError(f"no ground truth for {len(unknown)} fields with cells, such as {unknown[0]}")
    return truth_of_cells(cells, overlaps, classes=classes, threshold=settings.iou_threshold)


def truth_of_cells(
    cells: pd.DataFrame, overlaps: Mapping[str, FieldOverlaps], *, classes: int, threshold: float
) -> np.ndarray:
    """As `cell_truth`, from the overlaps (by ID) of all fields of the cells, with cell numbers as keys."""
    values = np.full((len(cells), classes), np.nan)
    numbers = cells["cell"].to_numpy()
    for field_id, rows in cells.groupby("ID", sort=False).indices.items():
        shown = same_cells(overlaps[field_id], threshold)
        for row in rows:
            if numbers[row] in shown:
                values[row] = overlaps[field_id].classes[shown[numbers[row]]]
    return values


def same_cells(field: FieldOverlaps, threshold: float) -> dict[int, int]:
    """Row of the true cell that each segmented cell is, by cell number; cells that are none are left out."""
    found: dict[int, int] = {}
    taken: set[int] = set()
    detected, true = np.nonzero(field.iou >= threshold)
    for place in np.argsort(-field.iou[detected, true], kind="stable"):
        key, row = field.keys[detected[place]], int(true[place])
        if key not in found and row not in taken:
            found[key] = row
            taken.add(row)
    return found
