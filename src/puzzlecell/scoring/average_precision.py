"""The competition's score: mean average precision of detected cells over all classes.

Within each field and class, detections are processed by decreasing confidence. Each is compared with the ground-truth
cell that it overlaps most; it is a true positive if the overlap reaches the threshold and that cell is not matched yet.
Detections of all fields are pooled; the average precision is the area under the precision envelope.
"""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pandas as pd

from puzzlecell.config.score import ScoreSettings
from puzzlecell.data.tables import class_columns
from puzzlecell.runtime.messages import first_few
from puzzlecell.scoring.error_analysis import split_misses, working_points
from puzzlecell.scoring.matching import FieldOverlaps, ScoreError, overlaps_of_cells

Name = TypeVar("Name", bound=Hashable)


@dataclass(frozen=True)
class ScoreResult:
    """Score of one table of detections.

    mean: the score; low, high: its bootstrap confidence interval over fields (NaN without bootstrap). classes: `class,
    cells, detections, true, ap, low, high`, one row per class. misses: counts per class and reason, see
    `puzzlecell.scoring.error_analysis`.
    """

    mean: float
    low: float
    high: float
    classes: pd.DataFrame
    misses: pd.DataFrame


@dataclass(frozen=True)
class Matches:
    """Detections of all fields, matched with the ground truth.

    field: (n,) index of the field; index: (n,) class; confidence: (n,) float64; truth: (n,) number of the ground-truth
    cell of the class that the mask overlaps most, -1 if there is none; hit: (n,) bool, true positives. cells: (fields,
    C) number of ground-truth cells. Sorted by decreasing confidence; ties stay in the order of fields and detections.
    """

    field: np.ndarray
    index: np.ndarray
    confidence: np.ndarray
    truth: np.ndarray
    hit: np.ndarray
    cells: np.ndarray


def match(
    overlaps: Mapping[str, FieldOverlaps],
    detections: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray]],
    settings: ScoreSettings,
    classes: int,
) -> Matches:
    """Match detections with the ground truth.

    detections: by ID, (rows of the field's overlaps (n,), classes (n,), confidences (n,)).
    """
    parts, cells, first_truth = [], np.zeros((len(overlaps), classes), int), 0
    for number, (field_id, overlap) in enumerate(overlaps.items()):
        cells[number] = overlap.classes.sum(axis=0)
        rows, index, confidence = detections.get(field_id, (np.empty(0, int),) * 3)
        if len(rows):
            best, iou = best_truth(overlap, classes)
            present = cells[number][index] > 0
            truth = np.where(present, best[rows, index] + first_truth, -1)
            good = present & (iou[rows, index] >= settings.iou_threshold)
            chosen = present if settings.detections == "present" else np.ones(len(rows), bool)
            parts.append([a[chosen] for a in (np.full(len(rows), number), index, confidence, truth, good)])
        first_truth += len(overlap.classes)
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    columns = columns or [np.empty(0, int)] * 3 + [np.empty(0, int), np.empty(0, bool)]
    order = np.argsort(-columns[2], kind="stable")
    field, index, confidence, truth, good = (column[order] for column in columns)
    hit = np.zeros(len(order), bool)
    candidates = np.flatnonzero(good)
    # A ground-truth cell and class is matched by its most confident candidate.
    _, first = np.unique(truth[candidates] * classes + index[candidates], return_index=True)
    hit[candidates[first]] = True
    return Matches(field, index, confidence, truth, hit, cells)


def best_truth(field: FieldOverlaps, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Best ground-truth cell of each class for each detected mask: its row (n, C) and its IoU (n, C)."""
    if not len(field.classes):
        shape = (len(field.keys), classes)
        return np.zeros(shape, int), np.zeros(shape)
    iou = np.where(field.classes[None], field.iou[:, :, None], -1.0)
    best = iou.argmax(axis=1)
    return best, np.take_along_axis(iou, best[:, None], axis=1)[:, 0]


def average_precision(hit: np.ndarray, cells: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Average precision (draws,) of one class, with all-point interpolation.

    hit: (n,) bool by decreasing confidence; counts: (draws, n) how often each detection's field is drawn; cells:
    (draws,) number of ground-truth cells drawn. NaN if no cell is drawn.
    """
    at = np.flatnonzero(hit)
    if not len(at):
        return np.where(cells > 0, 0.0, np.nan)
    # Between two hits the precision only falls, so the hits determine the envelope.
    between = np.add.reduceat(counts[:, : at[-1] + 1], np.append(0, at[:-1] + 1), axis=1)
    seen = np.cumsum(between, axis=1, dtype=np.float64)
    gained = counts[:, at]
    true = np.cumsum(gained, axis=1, dtype=np.float64)
    precision = np.divide(true, seen, out=np.zeros_like(true), where=seen > 0)
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    area = (gained * envelope).sum(axis=1)
    return np.divide(area, cells, out=np.full(len(cells), np.nan), where=cells > 0)


def class_precisions(matches: Matches, draws: np.ndarray) -> np.ndarray:
    """Average precision (draws, C) of every class. draws: (draws, fields) how often each field is drawn."""
    classes = matches.cells.shape[1]
    result = np.empty((len(draws), classes))
    for index in range(classes):
        chosen = matches.index == index
        result[:, index] = average_precision(
            matches.hit[chosen], draws @ matches.cells[:, index], draws[:, matches.field[chosen]]
        )
    return result


def score_matches(matches: Matches, settings: ScoreSettings) -> tuple[float, float, float, pd.DataFrame]:
    """Return the mean, the lower and upper end of its confidence interval, and the table of classes."""
    fields, classes = matches.cells.shape
    precision = class_precisions(matches, np.ones((1, fields)))
    low = high = np.nan
    class_low = class_high = np.full(classes, np.nan)
    if settings.bootstrap and fields:
        random = np.random.default_rng(settings.seed)
        draws = random.multinomial(fields, np.full(fields, 1 / fields), settings.bootstrap)
        drawn = class_precisions(matches, draws)
        tails = (0.5 - settings.interval / 2, 0.5 + settings.interval / 2)
        low, high = np.quantile(mean_precision(drawn, settings), tails)
        known = ~np.isnan(drawn).all(axis=0)
        class_low, class_high = np.full((2, classes), np.nan)
        class_low[known], class_high[known] = np.nanquantile(drawn[:, known], tails, axis=0)
    table = pd.DataFrame(
        {
            "class": np.arange(classes),
            "cells": matches.cells.sum(axis=0),
            "detections": np.bincount(matches.index, minlength=classes),
            "true": np.bincount(matches.index[matches.hit], minlength=classes),
            "ap": precision[0],
            "low": class_low,
            "high": class_high,
        }
    )
    return float(mean_precision(precision, settings)[0]), float(low), float(high), table


def mean_precision(precisions: np.ndarray, settings: ScoreSettings) -> np.ndarray:
    """Mean (draws,) over classes of (draws, C); a class without ground truth counts as 0 or is left out."""
    known = ~np.isnan(precisions)
    sums = np.where(known, precisions, 0).sum(axis=1)
    count = np.full(len(precisions), precisions.shape[1]) if settings.missing == "zero" else known.sum(axis=1)
    return np.divide(sums, count, out=np.full(len(sums), np.nan), where=count > 0)


def score_detections(
    overlaps: Mapping[str, FieldOverlaps],
    detections: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray]],
    settings: ScoreSettings,
    classes: int,
) -> ScoreResult:
    """Score detections in the format of `match`."""
    matches = match(overlaps, detections, settings, classes)
    points = working_points(matches.index, matches.confidence, matches.hit, matches.cells.sum(axis=0))
    misses = split_misses(overlaps, detections, points, settings)
    return ScoreResult(*score_matches(matches, settings), misses)


def score_tables(
    tables: Mapping[Name, pd.DataFrame],
    labels_of: Callable[[str], np.ndarray | None],
    truth: pd.DataFrame,
    settings: ScoreSettings,
) -> dict[Name, ScoreResult]:
    """Score several tables `ID, cell, p00 ...` of the same masks; overlaps are computed only once.

    labels_of: returns the label image (M, M) of a field, or None. truth: `ID, ImageWidth, ImageHeight,
    PredictionString`. Raises ScoreError for cells of fields without ground truth, MaskError for masks of the ground
    truth that cannot be read, and ValueError for cells that are not in their label image.
    """
    classes = len(class_columns(next(iter(tables.values()))))
    overlaps = overlaps_of_cells(labels_of, truth, classes, settings.overlap)
    return {
        name: score_detections(overlaps, detections_of_cells(table, overlaps), settings, classes)
        for name, table in tables.items()
    }


def detections_of_cells(
    cells: pd.DataFrame, overlaps: Mapping[str, FieldOverlaps]
) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Turn every class of every cell into a detection, as in a submission, in the format of `match`.

    Raises ScoreError for fields without ground truth, ValueError for cells that are not in the overlaps and for NaN
    probabilities.
    """
    columns = class_columns(cells)
    unknown = sorted(set(cells["ID"]) - set(overlaps))
    if unknown:
        raise ScoreError(f"no ground truth for {len(unknown)} fields with cells, such as {unknown[0]}")
    values, numbers = cells[columns].to_numpy(np.float64), cells["cell"].to_numpy()
    if np.isnan(values).any():
        raise ValueError(f"{cells['ID'].iloc[np.isnan(values).any(axis=1).argmax()]}: a probability is NaN")
    detections = {}
    for field_id, rows in cells.groupby("ID", sort=False).indices.items():
        place = {key: row for row, key in enumerate(overlaps[field_id].keys)}
        absent = sorted(set(numbers[rows].tolist()) - place.keys())
        if absent:
            raise ValueError(f"field {field_id}: cells {first_few(absent, 5)} are not in its label image")
        mask = np.array([place[number] for number in numbers[rows].tolist()])
        detections[field_id] = (
            np.repeat(mask, len(columns)),
            np.tile(np.arange(len(columns)), len(rows)),
            values[rows].ravel(),
        )
    return detections
