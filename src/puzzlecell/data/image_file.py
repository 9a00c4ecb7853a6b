"""Greyscale images in files: PNGs."""

from dataclasses import dataclass

import numpy as np

from puzzlecell.data.image_plane import ImagePlane
from puzzlecell.data.png import MissingPngError as MissingImageError
from puzzlecell.data.png import PngError as ImageError
from puzzlecell.data.png import read_greyscale
from puzzlecell.data.png import read_header as png_header

__all__ = ["Header", "ImageError", "MissingImageError", "read_header", "read_plane"]


@dataclass(frozen=True)
class Header:
    """Size and type of an image."""

    height: int
    width: int
    bit_depth: int
    kind: str = "uint"
    pixel_size_um: float | None = None


def read_header(plane: ImagePlane, *, max_megapixels: float | None = None) -> Header:
    """Read the header of a PNG."""
    found = png_header(plane.path, max_megapixels=max_megapixels)
    return Header(found.height, found.width, found.bit_depth)


def read_plane(plane: ImagePlane, *, max_megapixels: float | None = None) -> np.ndarray:
    """Decode a PNG."""
    return read_greyscale(plane.path, max_megapixels=max_megapixels)
