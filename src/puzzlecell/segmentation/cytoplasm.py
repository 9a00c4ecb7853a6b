"""Where red and yellow show cytoplasm: one signal from both, gaps between cells, and a threshold for each cell."""

import cv2
import numpy as np
from skimage.filters import threshold_otsu

# One grey level of an 8-bit image: the smallest contrast that an 8-bit field can hold.
GREY_LEVEL = 1 / 255
LEVELS = 256
# Separability of Gaussian noise, 2 / (pi - 2): what exceeds it is structure.
NOISE = 2 / (np.pi - 2)
# Added to each channel's weight, so that both count about alike in a field without visible background.
LEAST_WEIGHT = 0.25


def cytoplasm(red: np.ndarray, yellow: np.ndarray, sigma: float) -> np.ndarray:
    """Return one signal from red and yellow, (H, W) float32 in [0, 1].

    Each channel is smoothed by `sigma` pixels and scaled to [0, 1] between its 0.5th and 99.5th percentiles; the
    signal is the square root of their weighted mean, in which shot noise is about the same at every brightness. A
    channel's weight is how far its `separability` exceeds that of noise, plus `LEAST_WEIGHT`: a channel without a stain
    adds little. A constant channel counts as 0.
    """
    total, weights = np.zeros(red.shape, np.float32), 0.0
    for channel in (red, yellow):
        smooth = blur(channel, sigma)
        low, high = np.percentile(smooth, [0.5, 99.5])
        if high - low > GREY_LEVEL:
            scaled = np.clip((smooth - low) / (high - low), 0, 1).astype(np.float32)
            weight = max(separability(np.sqrt(scaled)) - NOISE, 0) + LEAST_WEIGHT
            total += weight * scaled
            weights += weight
    return np.sqrt(total / weights) if weights else total


def separability(image: np.ndarray) -> float:
    """Return how well one threshold divides an image with values in [0, 1] into dark and bright.

    The variance between the two classes divided by the variance within them, at Otsu's threshold (Otsu 1979,
    doi 10.1109/TSMC.1979.4310076, lambda): the square of the contrast over the spread.
    """
    bright = image > threshold_otsu(image)
    share = float(bright.mean())
    inside, outside = image[bright], image[~bright]
    between = share * (1 - share) * (float(inside.mean()) - float(outside.mean())) ** 2
    within = share * float(inside.var()) + (1 - share) * float(outside.var())
    return between / max(within, 1e-6)


def gaps(signal: np.ndarray, radius: float) -> np.ndarray:
    """Return how much darker each pixel of a gap is than its banks; gaps are up to twice `radius` pixels wide."""
    size = 2 * max(1, round(radius)) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    return cv2.morphologyEx(signal, cv2.MORPH_BLACKHAT, disc)


def cell_thresholds(signal: np.ndarray, basins: np.ndarray, share: float) -> np.ndarray:
    """Return the level that divides background from cytoplasm around each nucleus, (n + 1,) float32.

    signal: (H, W) float32 in [0, 1]; basins: (H, W) integer labels 0...n, the surroundings of each nucleus.

    Otsu's threshold of the field is too high for dim cells. That of a basin follows them down, but where a basin is all
    cell, it divides the cell; so it counts only where it is below that of the field. The result is the geometric mean
    of both, weighted `share` for the basin and 1 - `share` for the field. Entry 0 is the threshold of the field.
    """
    field = float(threshold_otsu(signal))
    own = otsu_of_labels(signal, basins)
    own = np.where(own > 0, np.minimum(own, field), field)
    own[0] = field
    return (own**share * field ** (1 - share)).astype(np.float32)


def otsu_of_labels(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return Otsu's threshold of each label's pixels, (n + 1,) float64; 0 for labels of no or one value.

    values: (H, W) float in [0, 1], counted in 256 steps; labels: (H, W) integers 0...n.
    """
    count = int(labels.max(initial=0)) + 1
    level = np.minimum((values * LEVELS).astype(np.int64), LEVELS - 1)
    flat = labels.ravel().astype(np.int64) * LEVELS + level.ravel()
    histogram = np.bincount(flat, minlength=count * LEVELS).reshape(count, LEVELS).astype(np.float64)
    centres = (np.arange(LEVELS) + 0.5) / LEVELS
    below, sums = histogram.cumsum(axis=1), (histogram * centres).cumsum(axis=1)
    above, rest = below[:, -1:] - below, sums[:, -1:] - sums
    both = (below > 0) & (above > 0)
    apart = sums / np.maximum(below, 1) - rest / np.maximum(above, 1)
    between = np.where(both, below * above * apart**2, -1)
    # Every level of an empty stretch between two classes divides them equally well: its middle is taken.
    first = between.argmax(axis=1)
    last = LEVELS - 1 - between[:, ::-1].argmax(axis=1)
    return np.where(both.any(axis=1), (first + last + 2) / (2 * LEVELS), 0.0)


def blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """Smooth an image with a Gaussian of `sigma` pixels; below 0.1, it stays as it is."""
    return cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REFLECT) if sigma > 0.1 else image
