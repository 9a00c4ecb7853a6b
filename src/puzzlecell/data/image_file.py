"""Greyscale images: their headers and pixels."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from puzzlecell.data import png
from puzzlecell.data.image_plane import ImagePlane

ImageError = png.PngError
"""An image cannot be used; the message says which file, what was found and what was expected."""
MissingImageError = png.MissingPngError
"""There is no such file."""


@dataclass(frozen=True)
class Header:
    """Size in pixels, bits per pixel and kind of numbers of an image; its pixel size and a remark, if there are any."""

    height: int
    width: int
    bit_depth: int
    kind: Literal["uint", "float"] = "uint"
    pixel_size_um: float | None = None
    note: str | None = None


def read_header(plane: ImagePlane, *, max_megapixels: float | None = None) -> Header:
    """Read the header of a greyscale PNG; raises ImageError and MissingImageError."""
    _check_whole(plane)
    found = png.read_header(plane.path, max_megapixels=max_megapixels)
    return Header(found.height, found.width, found.bit_depth)


def read_plane(plane: ImagePlane, *, max_megapixels: float | None = None) -> np.ndarray:
    """Decode a greyscale PNG: (H, W) uint8 or uint16. Raises ImageError and MissingImageError."""
    _check_whole(plane)
    return png.read_greyscale(plane.path, max_megapixels=max_megapixels)


def _check_whole(plane: ImagePlane) -> None:
    if plane.page or plane.channel:
        raise ImageError(f"{plane}: a PNG has one image")
