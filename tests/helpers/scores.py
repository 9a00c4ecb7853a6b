"""Helpers to decode masks and to score single tables."""

import numpy as np

from puzzlecell.data.rle import decode_runs
from puzzlecell.scoring.average_precision import ScoreResult, score_tables


def decode_mask(text: str, height: int, width: int) -> np.ndarray:
    """Decode a mask of a submission to (height, width) bool."""
    counts = decode_runs(text, height, width)
    inside = np.arange(len(counts)) % 2 == 1
    return np.repeat(inside, counts).reshape(width, height).T


def score_cells(cells, labels_of, truth, settings) -> ScoreResult:
    """Score one table; arguments as in `score_tables`."""
    return score_tables({"cells": cells}, labels_of, truth, settings)["cells"]
