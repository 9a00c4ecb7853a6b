"""Merge finished submissions whose masks differ.

Methods:

- `nms`: non-maximum suppression; of overlapping detections of a class, only the most confident is kept.
- `fusion`: overlapping cells become one. Its mask is the pixel-wise majority; its confidence is the weighted mean over
  all submissions, counting 0 for a submission without such a detection.
- `vote`: cells are fused as in `fusion`. A class is kept if more than half of the weight votes for it, with the mean
  confidence of those votes.

Masks of `fusion` and `vote` can be smoothed, see `puzzlecell.ensemble.smoothing`.
"""

import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from puzzlecell.config.submission import MergeSettings
from puzzlecell.data.iou import Runs, mask_iou, runs_of_masks
from puzzlecell.data.rle import encode_runs, masks_of
from puzzlecell.data.submission_file import SUBMISSION_COLUMNS, read_submission, triplets
from puzzlecell.ensemble.smoothing import smoothed
from puzzlecell.ensemble.submission import no_cells
from puzzlecell.errors import UserError
from puzzlecell.runtime.atomic import written_whole
from puzzlecell.runtime.progress import Progress, no_progress

Detection = tuple[int, float, str]
Cells = dict[str, tuple[Runs, dict[int, float]]]
"""Runs and class confidences of the cells of one field in one submission, by encoded mask."""


class MergeError(UserError):
    """Submissions that cannot be merged; the message says what differs."""


@dataclass
class Cluster:
    """Masks of one cell in several submissions: runs and class confidences, keyed by submission number."""

    runs: dict[int, Runs] = field(default_factory=dict)
    classes: dict[int, dict[int, float]] = field(default_factory=dict)


def merge_submissions(
    paths: Sequence[str | os.PathLike],
    out_csv: str | os.PathLike,
    settings: MergeSettings,
    progress: Progress = no_progress,
) -> None:
    """Merge submissions of the same fields into `out_csv`, with rows in the order of the first one.

    progress: called with the number of fields done and the total. Raises MergeError for fewer than two submissions, for
    a number of weights that differs from that of the submissions, and for differing fields or sizes; TableError for a
    table that `read_submission` refuses; and MaskError for an unreadable mask, naming file and field.
    """
    if len(paths) < 2:
        raise MergeError(f"merging needs at least two submissions, but {len(paths)} given")
    weights = np.array(settings.weights or [1.0] * len(paths), float)
    if len(weights) != len(paths):
        raise MergeError(
            f"{len(weights)} weights for {len(paths)} submissions: give one per submission, or none"
        )
    with np.errstate(over="ignore"):
        total = weights.sum()
    if not (np.isfinite(total) and (weights > 0).all()):
        raise MergeError(f"weights must be above 0 and have a finite sum, found {weights.tolist()}")
    weights /= total
    tables = [read_submission(path).set_index("ID") for path in paths]
    for path, table in zip(paths[1:], tables[1:], strict=True):
        _check_same_fields(paths[0], tables[0], path, table)
    with written_whole(out_csv) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(SUBMISSION_COLUMNS)
        for done, (field_id, row) in enumerate(tables[0].iterrows(), start=1):
            height, width = int(row["ImageHeight"]), int(row["ImageWidth"])
            texts = [table.at[field_id, "PredictionString"] for table in tables]
            cells = []
            for path, text in zip(paths, texts, strict=True):
                with masks_of(f"{path}: field {field_id}"):
                    cells.append(cells_of(text, height, width))
            merged = merge_field(cells, weights, height, width, settings)
            string = " ".join(f"{index} {confidence:.6f} {mask}" for index, confidence, mask in merged)
            rows.writerow([field_id, width, height, string or no_cells(height, width)])
            progress(done, len(tables[0]))


def merge_field(
    cells: Sequence[Cells], weights: np.ndarray, height: int, width: int, settings: MergeSettings
) -> list[Detection]:
    """Merge the cells of one field in several submissions; weights sum to 1."""
    if settings.method == "nms":
        return suppress(cells, weights, settings.iou)
    merged = []
    for cluster in cluster_cells(cells, weights, settings.iou):
        runs = majority(cluster, weights)
        mask = encode_runs(*(smoothed(runs, height, width) if settings.smooth else runs), height, width)
        confidences = (
            fused(cluster, weights) if settings.method == "fusion" else voted(cluster, weights, settings.yes)
        )
        merged += [(index, confidence, mask) for index, confidence in sorted(confidences.items())]
    return merged


def cells_of(text: str, height: int, width: int) -> Cells:
    """Map each encoded mask to its runs and the highest confidence of each class; empty masks are left out.

    Raises MaskError for a mask that cannot be read.
    """
    classes: dict[str, dict[int, float]] = {}
    for index, confidence, mask in triplets(text):
        known = classes.setdefault(mask, {})
        known[index] = max(confidence, known.get(index, 0.0))
    runs = runs_of_masks(classes, height, width)
    return {mask: (runs[mask], classes[mask]) for mask in classes if len(runs[mask][0])}


def suppress(cells: Sequence[Cells], weights: np.ndarray, iou: float) -> list[Detection]:
    """Non-maximum suppression within each class; confidences are scaled by weight / largest weight."""
    masks = {mask: runs for submission in cells for mask, (runs, _) in submission.items()}
    place = {mask: row for row, mask in enumerate(masks)}
    overlap = mask_iou(list(masks.values()), list(masks.values()))
    detections = [
        (index, confidence * weight / weights.max(), mask)
        for submission, weight in zip(cells, weights.tolist(), strict=True)
        for mask, (_, classes) in submission.items()
        for index, confidence in classes.items()
    ]
    kept: dict[int, list[Detection]] = {}
    for detection in sorted(detections, key=lambda entry: -entry[1]):
        same = kept.setdefault(detection[0], [])
        if all(overlap[place[detection[2]], place[other[2]]] < iou for other in same):
            same.append(detection)
    return [detection for index in sorted(kept) for detection in kept[index]]


def cluster_cells(cells: Sequence[Cells], weights: np.ndarray, iou: float) -> list[Cluster]:
    """Group cells that overlap the first cell of a cluster by `iou` or more, at most one per submission.

    Submissions are processed by decreasing weight; within a submission, pairs with the highest overlap come first.
    """
    clusters: list[Cluster] = []
    for number in np.argsort(-weights, kind="stable").tolist():
        found = list(cells[number].values())
        overlap = mask_iou([runs for runs, _ in found], [next(iter(c.runs.values())) for c in clusters])
        free, open_clusters = set(range(len(found))), set(range(len(clusters)))
        for row, column in zip(
            *np.unravel_index(np.argsort(-overlap, axis=None, kind="stable"), overlap.shape), strict=True
        ):
            if overlap[row, column] < iou:
                break
            if row in free and column in open_clusters:
                free.remove(row)
                open_clusters.remove(column)
                clusters[column].runs[number], clusters[column].classes[number] = found[row]
        clusters += [Cluster({number: found[row][0]}, {number: found[row][1]}) for row in sorted(free)]
    return clusters


def majority(cluster: Cluster, weights: np.ndarray) -> Runs:
    """Runs of the pixels covered by more than half of the members' weight; the first member breaks ties."""
    members = list(cluster.runs)
    shares = weights[members] / weights[members].sum()
    shares[0] += 1e-9
    starts, ends = (np.concatenate([cluster.runs[member][side] for member in members]) for side in (0, 1))
    steps = np.repeat(shares, [len(cluster.runs[member][0]) for member in members])
    places, at = np.unique(np.concatenate([starts, ends]), return_inverse=True)
    covered = np.cumsum(np.bincount(at, np.concatenate([steps, -steps]), minlength=len(places)))
    inside = np.concatenate([[False], covered > 0.5 + 1e-10, [False]])
    edges = np.flatnonzero(inside[1:] != inside[:-1])
    return places[edges[::2]], places[edges[1::2]]


def fused(cluster: Cluster, weights: np.ndarray) -> dict[int, float]:
    """Weighted mean confidence of each class over all submissions."""
    confidences: dict[int, float] = {}
    for member, classes in cluster.classes.items():
        for index, confidence in classes.items():
            confidences[index] = confidences.get(index, 0.0) + float(weights[member]) * confidence
    return confidences


def voted(cluster: Cluster, weights: np.ndarray, yes: float) -> dict[int, float]:
    """Mean confidence of each class over the submissions that vote for it, for classes with a majority.

    A submission votes for a class with a confidence of `yes` or more; a majority is more than half of the weight.
    """
    votes: dict[int, list[tuple[float, float]]] = {}
    for member, classes in cluster.classes.items():
        for index, confidence in classes.items():
            if confidence >= yes:
                votes.setdefault(index, []).append((float(weights[member]), confidence))
    totals = {index: sum(weight for weight, _ in said) for index, said in votes.items()}
    return {
        index: sum(weight * confidence for weight, confidence in said) / totals[index]
        for index, said in votes.items()
        if totals[index] > 0.5 + 1e-9
    }


def _check_same_fields(
    first: str | os.PathLike, one: pd.DataFrame, second: str | os.PathLike, other: pd.DataFrame
) -> None:
    odd = one.index.symmetric_difference(other.index)
    if len(odd):
        raise MergeError(
            f"{first} and {second} must have the same fields; {len(odd)} are in only one of them, such as {odd[0]}"
        )
    sizes = ["ImageWidth", "ImageHeight"]
    wrong = (one[sizes] != other.loc[one.index, sizes]).any(axis=1)
    if wrong.any():
        raise MergeError(
            f"{first} and {second} give different sizes for {wrong.sum()} fields, such as {wrong.idxmax()}"
        )
