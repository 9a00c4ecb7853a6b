"""Score a finished submission from any source against a ground-truth table in the same format."""

import os

import numpy as np

from puzzlecell.config.score import ScoreSettings
from puzzlecell.data.iou import runs_of_masks
from puzzlecell.data.rle import masks_of
from puzzlecell.data.submission_file import read_submission, triplets
from puzzlecell.runtime.progress import Progress, no_progress
from puzzlecell.scoring.average_precision import ScoreResult, score_detections
from puzzlecell.scoring.matching import ScoreError, field_overlaps


def score_submission(
    submission_csv: str | os.PathLike,
    truth_csv: str | os.PathLike,
    settings: ScoreSettings,
    classes: int,
    progress: Progress = no_progress,
) -> ScoreResult:
    """Score a submission against a ground-truth table in the same format.

    classes: number of classes. progress: called with the number of fields done and the total. Raises TableError for
    tables that `read_submission` refuses, ScoreError if the fields or sizes differ, and MaskError for a mask that
    cannot be read; the message names file and field.
    """
    submission, truth = (read_submission(path, classes) for path in (submission_csv, truth_csv))
    both = submission.merge(truth, on="ID", how="outer", suffixes=("", "_true"), indicator=True, sort=False)
    odd = both.loc[both["_merge"] != "both", "ID"].tolist()
    if odd:
        raise ScoreError(
            f"{submission_csv} and {truth_csv} must have the same fields; "
            f"{len(odd)} are in only one of them, such as {odd[0]}"
        )
    both = both.set_index("ID").loc[submission["ID"]].reset_index()
    overlaps, detections = {}, {}
    for done, row in enumerate(both.itertuples(index=False), start=1):
        height, width = row.ImageHeight, row.ImageWidth
        if (height, width) != (row.ImageHeight_true, row.ImageWidth_true):
            raise ScoreError(
                f"field {row.ID}: ImageWidth x ImageHeight is {width} x {height} in {submission_csv}, but "
                f"{row.ImageWidth_true} x {row.ImageHeight_true} in {truth_csv}"
            )
        found = list(triplets(row.PredictionString))
        with masks_of(f"{submission_csv}: field {row.ID}"):
            runs = runs_of_masks([mask for _, _, mask in found], height, width)
        with masks_of(truth_csv):
            overlaps[row.ID] = field_overlaps(
                runs,
                row.PredictionString_true,
                row.ID,
                height=height,
                width=width,
                classes=classes,
                overlap=settings.overlap,
            )
        rows = {mask: number for number, mask in enumerate(runs)}
        detections[row.ID] = (
            np.array([rows[mask] for _, _, mask in found], int),
            np.array([index for index, _, _ in found], int),
            np.array([confidence for _, confidence, _ in found], float),
        )
        progress(done, len(both))
    return score_detections(overlaps, detections, settings, classes)
