"""Masks and scores, as tests look at them."""

import numpy as np

from puzzlecell.data.rle import decode_runs
from puzzlecell.scoring.average_precision import ScoreResult, score_tables


def decode_mask(text: str, height: int, width: int) -> np.ndarray:
    """(height, width) bool mask of a text in the format of a submission."""
    counts = decode_runs(text, height, width)
    inside = np.arange(len(counts)) % 2 == 1
    return np.repeat(inside, counts).reshape(width, height).T


def score_cells(cells, labels_of, truth, settings) -> ScoreResult:
    """Score of one table; arguments as `score_tables`."""
    return score_tables({"cells": cells}, labels_of, truth, settings)["cells"]
