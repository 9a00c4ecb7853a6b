"""What the header of an image says, and the limits of its size."""

import os
from dataclasses import dataclass
from typing import Literal

from puzzlecell.data.image_errors import ImageError

# OpenCV handles no larger images.
MOST_PIXELS = 2**30
LARGEST_SIDE = 100_000
"""Pixels of the longest side of a field, in images, tables and submissions."""


@dataclass(frozen=True)
class Header:
    """Size in pixels and type of a greyscale image, as far as the file says it without being decoded.

    bit_depth: bits per pixel of the decoded image: 8 or 16 if `kind` is `uint`, 32 if it is `float`. pixel_size_um:
    side of a pixel in micrometres; None if the file does not say it. note: how an unusual file is read, for a warning;
    the same text for all files of the same sort, or None.
    """

    height: int
    width: int
    bit_depth: int
    kind: Literal["uint", "float"] = "uint"
    pixel_size_um: float | None = None
    note: str | None = None


def check_size(path: str | os.PathLike, height: int, width: int, max_megapixels: float | None) -> None:
    """Raise ImageError if an image has no pixel, or too many. max_megapixels: millions of pixels; None: no limit."""
    if height == 0 or width == 0:
        raise ImageError(f"{path}: {width} x {height} pixels; expected at least one")
    megapixels = height * width / 1e6
    if max_megapixels is not None and megapixels > max_megapixels:
        raise ImageError(
            f"{path}: {width} x {height} pixels are {megapixels:.6g} megapixels, more than "
            f"ingest.max_megapixels: {max_megapixels:g}; raise it if this is the right file and memory suffices"
        )
    if height * width > MOST_PIXELS or max(height, width) > LARGEST_SIDE:
        raise ImageError(
            f"{path}: {width} x {height} pixels are too many (at most 2^30 in all and {LARGEST_SIDE} a side); "
            f"cut the image into fields"
        )
