"""Cells read from the maps of their field by pooling, in place of the quantiles of step 1."""

import numpy as np
from scipy.special import expit


def pooled_scores(maps: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Probabilities (n, C) float64 of the n cells of a field, in increasing order of their numbers: expit(logits).

    A logit is the mean of the class's map under the cell, as the network's own logit is its mean over the field.
    maps: (C, h, w) float32 class activation maps before any activation; labels: (H, W) unsigned label image of any
    size, 0 = background. Raises ValueError for non-finite maps.
    """
    if not np.isfinite(maps).all():
        raise ValueError("the network's maps are not finite")
    return expit(pooled_logits(maps, labels).astype(np.float64))


def pooled_logits(maps: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Means (n, C) float64 of the maps (C, h, w) under the n cells, in increasing order of their numbers.

    Each pixel of the label image has the value of the map pixel in which its centre lies.
    """
    classes, height, width = maps.shape
    shares = cell_shares(labels, height, width)
    sums = shares.reshape(len(shares), height * width) @ maps.reshape(classes, -1).T.astype(np.float64)
    return sums / shares.sum(axis=(1, 2))[:, None]


def cell_shares(labels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Numbers (n, height, width) float64 of label pixels of each cell, in increasing order, in each map pixel."""
    numbers, cells = np.unique(labels, return_inverse=True)
    rows, columns = (
        (np.arange(size) * 2 + 1) * target // (2 * size)
        for size, target in zip(labels.shape, (height, width), strict=True)
    )
    places = rows[:, None] * width + columns
    counts = np.bincount(
        (cells.reshape(labels.shape) * (height * width) + places).ravel(),
        minlength=len(numbers) * height * width,
    )
    shares = counts.reshape(len(numbers), height, width).astype(np.float64)
    return shares[numbers > 0]
