"""Raw fields converted to the intensity range and size of the store, and stored fields to those of a network."""

import cv2
import numpy as np

from puzzlecell.data.intensity import intensity_range

_TOGETHER = 16
"""Rows or columns of the result that are computed in one product of matrices."""
_VALUES = 1 << 18
"""Values of a plane that are converted to float32 at a time, as far as the smoothing allows: 1 MB."""


def reference_limits(field: np.ndarray) -> np.ndarray:
    """Return the limits (4, 2) float32 of the reference for a raw field (H, W, 4): 0 and 255, or 0 and 65535."""
    return np.array([[0, intensity_range(field)]] * field.shape[-1], np.float32)


def resize_field(field: np.ndarray, size: int, limits: np.ndarray | None = None) -> np.ndarray:
    """Resize a raw field (H, W, 4) uint8, uint16 or float32 for the store: (size, size, 4) uint8.

    limits: (4, 2) float32, the raw intensities of each channel that become 0 and 1; what is beyond them is clipped
    first. None: those of the reference (`reference_limits`). The result is floor(255 x intensity); a channel without
    any range becomes 0.

    Anti-aliased as in skimage.transform.resize: a Gaussian of sigma (f - 1) / 2 for a downsampling factor f along each
    axis (reflecting borders, truncated at 4 sigma), then bilinear interpolation between pixel centres. Both are linear
    and act on each axis by itself, so they are one matrix per axis, of which only the part around the diagonal is not
    0: the smoothed field is never computed at full size. Fastest for a field whose channels are planes in memory
    (`read_field`).
    """
    height, width = field.shape[:2]
    rows, columns = _resampling(height, size), _resampling(width, size)
    clips = limits is not None
    limits = reference_limits(field) if limits is None else limits
    result = np.empty((size, size, field.shape[-1]), np.uint8)
    for channel, (low, high) in enumerate(np.asarray(limits, np.float32)):
        within = (low, high) if clips and _exceeds(field.dtype, low, high) else None
        unit = _across(_down(field[..., channel], rows, within), columns)
        unit -= low
        unit /= high - low if high > low else np.float32(1)
        np.clip(unit, 0, 1, out=unit)
        unit *= 255
        # Float32 rounding can fall just below whole numbers; a thousandth of a grey level keeps floor() exact.
        unit += 1e-3
        result[..., channel] = np.clip(np.floor(unit, out=unit), 0, 255, out=unit)
    return result


def sized_field(image: np.ndarray, size: int) -> np.ndarray:
    """Downsample a stored field (S, S, 4) uint8 to (size, size, 4) by area averaging.

    Raises ValueError if the field would have to be enlarged.
    """
    stored = image.shape[0]
    if stored == size:
        return image
    if stored < size:
        raise ValueError(
            f"input.field_size: {size} is more than the store's {stored} pixels; lower it, or raise ingest.size "
            f"to store larger fields"
        )
    return cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)


def _exceeds(dtype: np.dtype, low: np.float32, high: np.float32) -> bool:
    """Whether raw intensities of this type can be outside the limits."""
    return dtype.kind == "f" or bool(low > 0 or high < np.iinfo(dtype).max)


def _down(
    plane: np.ndarray,
    matrix: tuple[np.ndarray, np.ndarray] | None,
    within: tuple[np.float32, np.float32] | None,
) -> np.ndarray:
    """Smooth and resize the rows of a plane (H, W), clipped to `within` first: (size, W) float32."""

    def values(first: int, last: int) -> np.ndarray:
        found = plane[first:last].astype(np.float32)
        return found if within is None else np.clip(found, *within, out=found)

    if matrix is None:
        return values(0, plane.shape[0])
    size, width = len(matrix[0]), plane.shape[1]
    together = max(1, min(_TOGETHER, _VALUES * size // plane.size))
    resized = np.empty((size, width), np.float32)
    for first in range(0, size, together):
        part, start, stop = _part(matrix, first, together)
        np.matmul(part, values(start, stop), out=resized[first : first + together])
    return resized


def _across(plane: np.ndarray, matrix: tuple[np.ndarray, np.ndarray] | None) -> np.ndarray:
    """Smooth and resize the columns of a plane (H, W) float32: (H, size)."""
    if matrix is None:
        return plane
    size = len(matrix[0])
    resized = np.empty((len(plane), size), np.float32)
    for first in range(0, size, _TOGETHER):
        part, start, stop = _part(matrix, first, _TOGETHER)
        np.matmul(plane[:, start:stop], part.T, out=resized[:, first : first + _TOGETHER])
    return resized


def _part(matrix: tuple[np.ndarray, np.ndarray], first: int, count: int) -> tuple[np.ndarray, int, int]:
    """The part of a matrix for `count` pixels of the result, as (count, stop - start) float32, start and stop."""
    weights, places = (part[first : first + count] for part in matrix)
    start, stop = int(places.min()), int(places.max()) + 1
    part = np.zeros((len(weights), stop - start))
    # Reflected places occur twice.
    np.add.at(part, (np.arange(len(weights))[:, None], places - start), weights)
    return part.astype(np.float32), start, stop


def _resampling(side: int, size: int) -> tuple[np.ndarray, np.ndarray] | None:
    """The matrix that smooths and resizes an axis of `side` pixels to `size`; None if it changes nothing.

    Returns weights (size, n) float64 and the places (size, n) of the pixels that they belong to.
    """
    if side == size:
        return None
    kernel = _gaussian_kernel(max(0.0, (side / size - 1) / 2))
    reach = len(kernel) // 2
    centres = np.clip((np.arange(size) + 0.5) * side / size - 0.5, 0, side - 1)
    above = np.minimum(np.floor(centres).astype(int), max(0, side - 2))
    share = (centres - above)[:, None]
    weights = np.zeros((size, len(kernel) + 1))
    weights[:, :-1] += (1 - share) * kernel
    weights[:, 1:] += share * kernel
    places = above[:, None] + np.arange(-reach, reach + 2)
    # Reflected at the centres of the outermost pixels.
    last = max(1, side - 1)
    return weights, np.minimum(np.abs((places + last) % (2 * last) - last), side - 1)


def _gaussian_kernel(sigma: float) -> np.ndarray:
    if sigma == 0:
        return np.ones(1)
    radius = int(4 * sigma + 0.5)
    offsets = np.arange(-radius, radius + 1)
    kernel = np.exp(-0.5 * (offsets / sigma) ** 2)
    return kernel / kernel.sum()
