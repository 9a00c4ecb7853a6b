"""Fields of view: four greyscale PNGs, read as one array and converted to the intensity range and size of the store."""

import contextlib
import itertools
import math
import mmap
import os
from collections import Counter
from collections.abc import Callable

import cv2
import numpy as np

from puzzlecell.data.png import Header, PngError, read_greyscale, read_header
from puzzlecell.data.raw_files import CHANNELS, channel_names, channel_path
from puzzlecell.errors import UserError
from puzzlecell.runtime.bucket import is_url
from puzzlecell.runtime.bucket_files import at_hand


class FieldError(UserError):
    """A field cannot be read; the message says which file, what was found and what was expected."""


def check_field(
    folder: str | os.PathLike, field_id: str, *, max_megapixels: float | None = None
) -> tuple[Header | None, list[str]]:
    """Check the headers of a field's four files; return their common size and bit depth, and every problem.

    If the files differ, size and depth are those of most files; None if no file is readable. folder: also a URL in a
    bucket, of which only the ends of the files are downloaded. max_megapixels: see `read_header`. Raises BucketError.
    """
    if not is_url(folder):
        return _check_field(folder, field_id, max_megapixels)
    names = channel_names(field_id)
    with at_hand(folder, names, ends=True) as files:
        header, problems = _check_field(files.folder, field_id, max_megapixels)
    if problems:
        # Behind the end of a PNG there may be more data.
        with at_hand(folder, names) as files:
            header, problems = _check_field(files.folder, field_id, max_megapixels)
    return header, [files.named(problem) for problem in problems]


def _check_field(
    folder: str | os.PathLike, field_id: str, max_megapixels: float | None
) -> tuple[Header | None, list[str]]:
    headers: dict[str, Header] = {}
    problems = []
    for channel in CHANNELS:
        try:
            headers[channel] = read_header(
                channel_path(folder, field_id, channel), max_megapixels=max_megapixels
            )
        except PngError as error:
            problems.append(str(error))
    if not headers:
        return None, _together(folder, field_id, problems)

    def different(value: Callable[[Header], object], what: str, expected: str) -> Header:
        """Add a problem for each channel whose value is not the commonest; return a header with that value."""
        commonest = Counter(map(value, headers.values())).most_common(1)[0][0]
        like, header = next((name, found) for name, found in headers.items() if value(found) == commonest)
        problems.extend(
            f"{channel_path(folder, field_id, channel)}: {what.format(found)}, but {like} has "
            f"{what.format(header)}; all four channels must have the same {expected}"
            for channel, found in headers.items()
            if value(found) != commonest
        )
        return header

    sized = different(lambda header: (header.height, header.width), "{0.width} x {0.height} pixels", "size")
    deep = different(lambda header: header.bit_depth, "{0.bit_depth} bits per pixel", "bit depth")
    return Header(sized.height, sized.width, deep.bit_depth), problems


def _together(folder: str | os.PathLike, field_id: str, problems: list[str]) -> list[str]:
    """Return one message in place of four if all channels have the same problem."""
    paths = [channel_path(folder, field_id, channel) for channel in CHANNELS]
    reasons = {problem.removeprefix(f"{path}: ") for path, problem in zip(paths, problems, strict=True)}
    if len(reasons) > 1:
        return problems
    return [f"{channel_path(folder, field_id, '{' + ','.join(CHANNELS) + '}')}: {reasons.pop()}"]


def read_field(
    folder: str | os.PathLike, field_id: str, *, max_megapixels: float | None = None
) -> np.ndarray:
    """Read a field as (H, W, 4) RGBY, uint8 or uint16. folder: also a URL in a bucket.

    Raises BucketError, and FieldError naming every file that is missing, damaged, too large (see `read_header`) or of
    another size or bit depth than the others. Takes 8 bytes of memory per pixel for 8 bit, 16 for 16 bit.
    """
    with at_hand(folder, channel_names(field_id)) as files:
        return _read_field(files.folder, field_id, max_megapixels)


def _read_field(folder: str | os.PathLike, field_id: str, max_megapixels: float | None) -> np.ndarray:
    header, problems = _check_field(folder, field_id, max_megapixels)
    if header is None or problems:
        raise FieldError("; ".join(problems))
    dtype = np.uint16 if header.bit_depth == 16 else np.uint8
    field = np.empty((header.height, header.width, len(CHANNELS)), dtype)
    for number, channel in enumerate(CHANNELS):
        path = channel_path(folder, field_id, channel)
        try:
            image = read_greyscale(path, max_megapixels=max_megapixels)
        except PngError as error:
            problems.append(str(error))
            continue
        if image.shape != field.shape[:2] or image.dtype != dtype:
            raise FieldError(f"{path}: changed while the field was read; start again")
        field[..., number] = image
    if problems:
        raise FieldError("; ".join(problems))
    return field


def intensity_range(field: np.ndarray) -> int:
    """Return 65535 if any channel of the field exceeds 255, else 255, because some 16-bit files hold 0 to 255."""
    return 65535 if int(field.max(initial=0)) > 255 else 255


def resize_field(field: np.ndarray, size: int) -> np.ndarray:
    """Resize a raw field (H, W, 4) uint8 or uint16 for the store: (size, size, 4) uint8, floor(255 x intensity).

    Intensities are first scaled to [0, 1]. Anti-aliased as in skimage.transform.resize: a Gaussian of sigma (f - 1) / 2
    for a downsampling factor f along each axis (reflecting borders, truncated at 4 sigma), then bilinear interpolation
    between pixel centres.
    """
    unit = _smoothed(field, size)
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


def _smoothed(field: np.ndarray, size: int) -> np.ndarray:
    """Return the field as (H, W, 4) float32 in [0, 1], smoothed for downsampling to `size`.

    Done band by band, because a whole field in float32 takes 4 times the memory of its raw files. Only the rows from
    which `size` rows are interpolated are filled in; the others stay 0. Channels stay together: OpenCV rounds single
    channels differently.
    """
    height, width = field.shape[:2]
    kernel_x, kernel_y = (_gaussian_kernel(max(0.0, (side / size - 1) / 2)) for side in (width, height))
    reach = len(kernel_y) // 2
    needed = _interpolated_rows(height, size)
    scale = intensity_range(field)
    smoothed = _sparse_zeros(field.shape)
    bands = max(1, height // max(64, 4 * reach))
    edges = [height * band // bands for band in range(bands + 1)]
    for first, last in itertools.pairwise(edges):
        start, stop = max(0, first - reach), min(height, last + reach)
        band: np.ndarray = field[start:stop].astype(np.float32)
        band /= scale
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
