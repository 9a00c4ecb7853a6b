"""Class activation maps at other sizes, and as they are stored."""

import cv2
import numpy as np

WHOLE = 65535
"""The stored number of a map's value 1."""


def resized_maps(maps: np.ndarray, height: int, width: int) -> np.ndarray:
    """Enlarge maps (C, h, w) float32 to (C, height, width), as step 1 enlarges them to a label image."""
    if maps.shape[1:] == (height, width):
        return maps
    down, across = interpolation(maps.shape[1], height), interpolation(maps.shape[2], width)
    return np.stack([enlarged(one, down, across) for one in maps])


def enlarged(image: np.ndarray, down: np.ndarray, across: np.ndarray) -> np.ndarray:
    """Return down @ image @ across.T, (H, W) float32, for weights of `interpolation`.

    OpenCV computes the same several times faster, but repeats the outermost pixels instead of mirroring them; only the
    margins are therefore computed from the weights.
    """
    (height, h), (width, w) = down.shape, across.shape
    result = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    rows, columns = -(-height // (2 * h)), -(-width // (2 * w))
    wide, tall = image @ across.T, down @ image
    for side in (slice(rows), slice(height - rows, None)):
        result[side] = down[side] @ wide
    for side in (slice(columns), slice(width - columns, None)):
        result[:, side] = tall @ across[side].T
    return result


def interpolation(size: int, target: int) -> np.ndarray:
    """Weights (target, size) float32 of linear interpolation between pixel centres, mirrored at both ends.

    Equals `skimage.transform.resize` of order 1 when enlarging.
    """
    if size == 1:
        return np.ones((target, 1), np.float32)
    centre = np.abs((np.arange(target) + 0.5) * size / target - 0.5)
    centre = np.where(centre > size - 1, 2 * (size - 1) - centre, centre)
    before = np.minimum(centre.astype(int), size - 2)
    weights = np.zeros((target, size), np.float32)
    weights[np.arange(target), before] = before + 1 - centre
    weights[np.arange(target), before + 1] = centre - before
    return weights
