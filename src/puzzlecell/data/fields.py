"""Fields of view: four greyscale PNGs, read as one array and converted to the intensity range and size of the store."""

import os
import struct
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from puzzlecell.data.raw_files import CHANNELS, channel_path

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"IEND\xaeB`\x82"


class FieldError(ValueError):
    """A field cannot be read; the message says which file, what was found and what was expected."""


@dataclass(frozen=True)
class Header:
    """Size in pixels and bits per pixel of a greyscale PNG."""

    height: int
    width: int
    bit_depth: int


def read_header(path: str | os.PathLike) -> Header:
    """Read size and bit depth of a greyscale PNG from its first and last bytes, without decoding the image.

    Raises FieldError for a missing file, another format, a colour image, a bit depth other than 8 or 16, or a truncated
    file.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            head = file.read(33)
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - len(_PNG_END)))
            end = file.read()
    except FileNotFoundError as error:
        raise FieldError(f"{path}: file is missing") from error
    except OSError as error:
        raise FieldError(f"{path}: cannot be opened: {error.strerror}") from error
    if len(head) < 33 or head[:8] != _PNG_SIGNATURE or head[12:16] != b"IHDR":
        raise FieldError(f"{path}: not a PNG (it starts with {head[:8]!r})")
    width, height, depth, colour = struct.unpack(">IIBB", head[16:26])
    if colour != 0:
        raise FieldError(f"{path}: a colour PNG (type {colour}); expected one greyscale channel per file")
    if depth not in (8, 16):
        raise FieldError(f"{path}: {depth} bits per pixel; expected 8 or 16")
    if end != _PNG_END:
        raise FieldError(f"{path}: cut off, the end of the PNG is missing; copy the file again")
    return Header(height, width, depth)


def check_field(folder: str | os.PathLike, field_id: str) -> tuple[Header | None, list[str]]:
    """Check the headers of a field's four files; return their common size and largest depth, and every problem."""
    headers: dict[str, Header] = {}
    problems = []
    for channel in CHANNELS:
        try:
            headers[channel] = read_header(channel_path(folder, field_id, channel))
        except FieldError as error:
            problems.append(str(error))
    if not headers:
        return None, problems
    first_channel, first = next(iter(headers.items()))
    for channel, header in headers.items():
        if (header.height, header.width) != (first.height, first.width):
            problems.append(
                f"{channel_path(folder, field_id, channel)}: {header.width} x {header.height} pixels, but "
                f"{first_channel} has {first.width} x {first.height}; all four channels must have the same size"
            )
    return Header(first.height, first.width, max(h.bit_depth for h in headers.values())), problems


def read_field(folder: str | os.PathLike, field_id: str) -> np.ndarray:
    """Read a field as (H, W, 4) RGBY: uint16 if any channel is stored with 16 bits, else uint8.

    Raises FieldError naming every file that is missing, damaged or of a different size.
    """
    _, problems = check_field(folder, field_id)
    if problems:
        raise FieldError("; ".join(problems))
    channels = []
    for channel in CHANNELS:
        path = channel_path(folder, field_id, channel)
        # Instead of raising an error, imread returns None or, for a damaged block, only the rows before it.
        image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        if image is None or image.ndim != 2:
            raise FieldError(f"{path}: damaged, the image cannot be decoded; copy the file again")
        channels.append(image)
    depth = np.uint16 if any(image.dtype == np.uint16 for image in channels) else np.uint8
    return np.stack([image.astype(depth, copy=False) for image in channels], axis=-1)


def intensity_range(field: np.ndarray) -> int:
    """Return 65535 if any channel of the field exceeds 255, else 255, because some 16-bit files hold 0 to 255."""
    return 65535 if int(field.max(initial=0)) > 255 else 255


def resize_field(field: np.ndarray, size: int) -> np.ndarray:
    """Resize a raw field (H, W, 4) uint8 or uint16 for the store: (size, size, 4) uint8, floor(255 x intensity).

    Intensities are first scaled to [0, 1]. Anti-aliased as in skimage.transform.resize: a Gaussian of sigma (f - 1) / 2
    for a downsampling factor f along each axis (reflecting borders, truncated at 4 sigma), then bilinear interpolation
    between pixel centres.
    """
    unit: np.ndarray = field.astype(np.float32) / intensity_range(field)
    height, width = unit.shape[:2]
    sigma_y, sigma_x = (max(0.0, (side / size - 1) / 2) for side in (height, width))
    if sigma_y > 0 or sigma_x > 0:
        kernel_x, kernel_y = (_gaussian_kernel(sigma) for sigma in (sigma_x, sigma_y))
        unit = cv2.sepFilter2D(unit, -1, kernel_x, kernel_y, borderType=cv2.BORDER_REFLECT_101)
    if (height, width) != (size, size):
        unit = cv2.resize(unit, (size, size), interpolation=cv2.INTER_LINEAR)
    # Float32 rounding can fall just below whole numbers; a thousandth of a grey level keeps floor() exact.
    return np.floor(np.clip(unit, 0, 1) * 255 + 1e-3).clip(0, 255).astype(np.uint8)


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


def _gaussian_kernel(sigma: float) -> np.ndarray:
    if sigma == 0:
        return np.ones(1, np.float32)
    radius = int(4 * sigma + 0.5)
    offsets = np.arange(-radius, radius + 1)
    kernel = np.exp(-0.5 * (offsets / sigma) ** 2)
    return (kernel / kernel.sum()).astype(np.float32)
