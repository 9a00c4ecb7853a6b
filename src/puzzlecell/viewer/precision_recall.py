"""Precision-recall curves as the score computes them, with few points."""

import numpy as np

from puzzlecell.scoring.average_precision import Matches

MOST_POINTS = 200


def curve(matches: Matches, index: int) -> np.ndarray:
    """Precision envelope of a class: (k, 3) of recall, precision and the confidence at which they are reached.

    The recall rises, the precision does not; between two points the precision is that of the second. The area below is
    the average precision of `puzzlecell.scoring.average_precision`. (0, 3) for a class without true positives.
    """
    chosen = matches.index == index
    hit, confidence = matches.hit[chosen], matches.confidence[chosen]
    at = np.flatnonzero(hit)
    true = np.arange(1, len(at) + 1)
    precision = true / (at + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return np.stack([true / max(1, matches.cells[:, index].sum()), envelope, confidence[at]], axis=1)


def thinned(points: np.ndarray, most: int = MOST_POINTS) -> np.ndarray:
    """At most `most` >= 2 points of a curve of `curve`, which stays the same to the eye.

    The last point of each level of precision says it all. Of more levels than `most`, those are kept that lie evenly
    along the curve: no step between two that are kept is wider and higher than 2 / (most - 1).
    """
    if not len(points):
        return points
    last_of_level = np.append(np.diff(points[:, 1]) != 0, True)
    kept = points[last_of_level]
    if len(kept) > most:
        along = np.cumsum(np.abs(np.diff(kept[:, :2], axis=0)).sum(axis=1), dtype=np.float64)
        along = np.concatenate([[0.0], along])
        places = np.searchsorted(along, np.linspace(0, along[-1], most))
        kept = kept[np.unique(np.minimum(places, len(kept) - 1))]
    return kept
