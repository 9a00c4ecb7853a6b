"""Raw fields converted to the intensity range and size of the store, and stored fields to those of a network."""

import contextlib
import itertools
import math
import mmap

import cv2
import numpy as np

from puzzlecell.data.intensity import intensity_range, to_unit


def resize_field(field: np.ndarray, size: int, limits: np.ndarray | None = None) -> np.ndarray:
    """Resize a raw field (H, W, 4) uint8, uint16 or float32 for the store: (size, size, 4) uint8.

    A stored pixel is floor(255 x intensity). Intensities are first scaled to [0, 1]; limits: see `intensity_limits`,
    None stands for the reference rule. Anti-aliased as in skimage.transform.resize: a Gaussian of sigma (f - 1) / 2
    for a downsampling factor f along each axis (reflecting borders, truncated at 4 sigma), then bilinear interpolation
    between pixel centres.
    """
    unit = _smoothed(field, size, limits)
    if unit.shape[:2] != (size, size):
        unit = cv2.resize(unit, (size, size), interpolation=cv2.INTER_LINEAR)
    np.clip(unit, 0, 1, out=unit)
    unit *= 255
    # Float32 rounding can fall just below whole numbers; a thousandth of a grey level keeps floor() exact.
    unit += 1e-3
    return np.clip(np.floor(unit, out=unit), 0, 255, out=unit).astype(np.uint8)


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


def _smoothed(field: np.ndarray, size: int, limits: np.ndarray | None) -> np.ndarray:
    """Return the field as (H, W, 4) float32 in [0, 1], smoothed for downsampling to `size`.

    Done band by band, because a whole field in float32 takes 4 times the memory of its raw files. Only the rows from
    which `size` rows are interpolated are filled in; the others stay 0. Channels stay together: OpenCV rounds single
    channels differently.
    """
    height, width = field.shape[:2]
    kernel_x, kernel_y = (_gaussian_kernel(max(0.0, (side / size - 1) / 2)) for side in (width, height))
    reach = len(kernel_y) // 2
    needed = _interpolated_rows(height, size)
    if limits is None:
        # Once for the whole field, because a band may be darker.
        limits = np.array([[0, intensity_range(field)]] * field.shape[2], np.float32)
    smoothed = _sparse_zeros(field.shape)
    bands = max(1, height // max(64, 4 * reach))
    edges = [height * band // bands for band in range(bands + 1)]
    for first, last in itertools.pairwise(edges):
        start, stop = max(0, first - reach), min(height, last + reach)
        band = to_unit(field[start:stop], limits)
        if max(len(kernel_x), len(kernel_y)) > 1:
            band = cv2.sepFilter2D(band, -1, kernel_x, kernel_y, borderType=cv2.BORDER_REFLECT_101)
        rows = needed[(needed >= first) & (needed < last)]
        smoothed[rows] = band[rows - start]
    return smoothed


def _interpolated_rows(height: int, size: int) -> np.ndarray:
    """Rows that bilinear interpolation of `height` to `size` rows reads."""
    centres = (np.arange(size) + 0.5) * height / size - 0.5
    # OpenCV works out the centres in single precision, so both neighbours count near a whole number.
    above = np.floor([centres - 0.1, centres + 0.1]).astype(int)
    return np.unique(np.clip([above, above + 1], 0, height - 1))


def _sparse_zeros(shape: tuple[int, ...]) -> np.ndarray:
    """Array of float32 zeros of which only the rows that are written take memory."""
    memory = mmap.mmap(-1, math.prod(shape) * 4, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_NOHUGEPAGE"):
        # A huge page (2 MB) around each row would fill the rows between them as well.
        with contextlib.suppress(OSError):
            memory.madvise(mmap.MADV_NOHUGEPAGE)
    return np.frombuffer(memory, np.float32).reshape(shape)


def _gaussian_kernel(sigma: float) -> np.ndarray:
    if sigma == 0:
        return np.ones(1, np.float32)
    radius = int(4 * sigma + 0.5)
    offsets = np.arange(-radius, radius + 1)
    kernel = np.exp(-0.5 * (offsets / sigma) ** 2)
    return (kernel / kernel.sum()).astype(np.float32)
