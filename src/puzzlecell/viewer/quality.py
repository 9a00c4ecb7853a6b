"""What the quality page shows of a data set: its segmentation, and how its answer compares with the truth."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from puzzlecell.config.calibration import BETWEEN_CALLS
from puzzlecell.config.score import ScoreSettings
from puzzlecell.data.pixel_sizes import PixelSizes
from puzzlecell.data.rle import masks_of
from puzzlecell.data.store import ShardReader
from puzzlecell.data.submission_file import read_submission
from puzzlecell.data.tables import class_columns, read_csv, read_parquet
from puzzlecell.scoring.average_precision import detections_of_cells, match
from puzzlecell.scoring.cell_truth import truth_of_cells
from puzzlecell.scoring.error_analysis import REASONS, verdicts, working_points
from puzzlecell.scoring.matching import overlaps_of_cells
from puzzlecell.viewer.chunks import write_chunk
from puzzlecell.viewer.confusion import confusion, most_probable
from puzzlecell.viewer.json_numbers import number, rounded
from puzzlecell.viewer.missed_cells import MissedCell, missed_cells
from puzzlecell.viewer.precision_recall import curve, thinned
from puzzlecell.viewer.segmented import segmentation_overview

AnyPath = str | os.PathLike
MOST_MISSES = 40
"""Missed cells of each class and reason that are listed."""


@dataclass(frozen=True)
class QualityFiles:
    """Results of a data set. stores, masks: one per shard.

    truth, score: the table of true cells and `results/score/<ds>.classes.csv`; None without ground truth.
    """

    answer: AnyPath
    stores: Sequence[AnyPath]
    masks: Sequence[AnyPath]
    truth: AnyPath | None = None
    score: AnyPath | None = None


def write_quality(
    path: AnyPath,
    dataset: str,
    files: QualityFiles,
    classes: Sequence[str],
    *,
    pixel_sizes: PixelSizes,
    settings: ScoreSettings,
) -> None:
    """Write the chunk `<dataset>/quality`; its content is that of `quality`.

    Raises the errors of `read_submission` and of `overlaps_of_cells`.
    """
    answer = read_parquet(files.answer)
    stored = ShardReader(files.stores).table
    sizes = dict(zip(stored.index, pixel_sizes.of(stored).tolist(), strict=True))
    content: dict[str, Any] = {"segmentation": segmentation_overview(answer, list(stored.index), sizes)}
    if files.truth is not None and files.score is not None:
        truth = read_submission(files.truth, len(classes))
        with masks_of(files.truth):
            content |= compared(answer, ShardReader(files.masks).get, truth, classes, settings=settings)
        content["curves"] = _with_scores(content["curves"], read_csv(files.score))
    write_chunk(path, f"{dataset}/quality", content, {})


def compared(
    answer: pd.DataFrame,
    labels_of: Callable[[str], np.ndarray | None],
    truth: pd.DataFrame,
    classes: Sequence[str],
    *,
    settings: ScoreSettings,
) -> dict[str, Any]:
    """Compare the cells of an answer with true cells: `curves`, `confusion`, `misses`.

    answer: `ID, cell, p00 ...`, and `calls` of a calibrated run. labels_of: label image (M, M) of a field, or None.
    truth: `ID, ImageWidth, ImageHeight, PredictionString`. All as the score of the ensemble is computed.
    """
    columns = class_columns(answer)
    overlaps = overlaps_of_cells(labels_of, truth, len(classes), settings.overlap)
    detections = detections_of_cells(answer, overlaps)
    matches = match(overlaps, detections, settings, len(classes))
    totals = matches.cells.sum(axis=0)
    points = working_points(matches.index, matches.confidence, matches.hit, totals)
    known = truth_of_cells(answer, overlaps, classes=len(classes), threshold=settings.iou_threshold)
    rows = ~np.isnan(known).all(axis=1)
    shows = known[rows] == 1
    found: dict[str, Any] = {
        "curves": [
            {
                "points": rounded(thinned(curve(matches, index)), 5),
                "working": number(points[index], 5),
            }
            for index in range(len(classes))
        ],
        "confusion": {
            "cells": int(rows.sum()),
            "probable": confusion(shows, most_probable(answer[columns].to_numpy()[rows])).tolist(),
        },
    }
    if "calls" in answer:
        found["confusion"]["called"] = confusion(
            shows, called_classes(answer["calls"].to_numpy()[rows].tolist(), classes)
        ).tolist()
    missed = missed_cells(
        verdicts(overlaps, detections, points, settings),
        overlaps,
        truth,
        classes=len(classes),
        most=MOST_MISSES,
    )
    found["misses"] = {
        "reasons": list(REASONS),
        "most": MOST_MISSES,
        "cells": [_listed(cell) for cell in missed],
    }
    return found


def called_classes(calls: Sequence[str], classes: Sequence[str]) -> np.ndarray:
    """Classes (n, C) bool that are called for cells. calls: texts of the column `calls`."""
    place = {name: index for index, name in enumerate(classes)}
    found = np.zeros((len(calls), len(classes)), bool)
    for row, text in enumerate(calls):
        for name in text.split(BETWEEN_CALLS):
            # `uncertain` is no class.
            if name in place:
                found[row, place[name]] = True
    return found


def _with_scores(curves: Sequence[Mapping[str, Any]], scores: pd.DataFrame) -> list[dict[str, Any]]:
    """The curves with what the score's table says of the ensemble: numbers of cells, AP and interval, reasons."""
    rows = scores[scores["prediction"] == "ensemble"].to_dict("records")
    counts = ("cells", "detections", "true", *REASONS)
    return [
        {
            **given,
            **{name: number(row[name]) for name in ("ap", "low", "high")},
            **{name: int(row[name]) for name in counts},
        }
        for given, row in zip(curves, rows, strict=True)
    ]


def _listed(cell: MissedCell) -> list[Any]:
    """[ID, class, reason, segmented cell, IoU, confidence, [y0, x0, y1, x1]]."""
    box = [cell.y0, cell.x0, cell.y1, cell.x1]
    return [
        cell.field_id,
        cell.index,
        cell.reason,
        cell.cell,
        number(cell.iou, 3),
        number(cell.confidence, 4),
        box,
    ]
