"""Greyscale images in files of any kind that is read: PNG, TIFF, OME-TIFF, `.tif.gz` and JPEG.

The content of a file decides what it is, not its name.
"""

import numpy as np

from puzzlecell.data.file_bytes import GZIP_SIGNATURE, TIFF_SIGNATURES, first_bytes
from puzzlecell.data.image_errors import ImageError, MissingImageError
from puzzlecell.data.image_header import Header
from puzzlecell.data.image_plane import ImagePlane
from puzzlecell.data.png import read_greyscale, read_layout

__all__ = ["Header", "ImageError", "MissingImageError", "read_header", "read_plane"]

PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
EXPECTED = "expected PNG, TIFF, `.tif.gz` or JPEG"


def read_header(plane: ImagePlane, *, max_megapixels: float | None = None) -> Header:
    """Read size, type and pixel size of an image without decoding it.

    max_megapixels: largest accepted image, in millions of pixels. Raises MissingImageError for a missing file, and
    ImageError for one that cannot be read: a folder or a named pipe, another format, a page or channel that it does not
    have, several of which none is named, pixels that are no intensities, too many pixels, or a file that is cut off.
    """
    kind = _kind(plane)
    if kind == "jpeg":
        from puzzlecell.data.jpeg import jpeg_header

        return jpeg_header(plane.path, channel=plane.channel, max_megapixels=max_megapixels)
    if kind == "tiff":
        from puzzlecell.data.tiff import tiff_header

        return tiff_header(plane, max_megapixels=max_megapixels)
    from puzzlecell.data.png_colour import colour_header, is_plain

    layout = read_layout(plane.path, max_megapixels=max_megapixels)
    if is_plain(layout) and not plane.channel:
        return Header(layout.height, layout.width, layout.depth)
    return colour_header(plane.path, layout, plane.channel)


def read_plane(plane: ImagePlane, *, max_megapixels: float | None = None) -> np.ndarray:
    """Decode an image: (H, W) uint8, uint16 or float32 (finite, 0 or more).

    A colour image counts as the one channel that it uses (see `single_channel`). Raises ImageError as `read_header`
    does, for damage that the format or the decoder shows, for colour images that use several channels, and for pixels
    that do not fit the type. Raises MemoryError if the memory does not suffice.
    """
    kind = _kind(plane)
    if kind == "jpeg":
        from puzzlecell.data.jpeg import read_jpeg

        return read_jpeg(plane.path, channel=plane.channel, max_megapixels=max_megapixels)
    if kind == "tiff":
        from puzzlecell.data.tiff import read_tiff

        return read_tiff(plane, max_megapixels=max_megapixels)
    from puzzlecell.data.png_colour import is_plain, read_colour

    layout = read_layout(plane.path, max_megapixels=max_megapixels)
    if is_plain(layout) and not plane.channel:
        return read_greyscale(plane.path, max_megapixels=max_megapixels)
    return read_colour(plane.path, layout, plane.channel)


def _kind(plane: ImagePlane) -> str:
    """What a file is by its first bytes: `png`, `jpeg` or `tiff`."""
    start = first_bytes(plane.path, 8)
    if start.startswith((*TIFF_SIGNATURES, GZIP_SIGNATURE)):
        return "tiff"
    if start != PNG and not start.startswith(JPEG):
        found = f"not an image that can be read (it starts with {start!r})" if start else "an empty file"
        raise ImageError(f"{plane.path}: {found}; {EXPECTED}")
    kind = "jpeg" if start.startswith(JPEG) else "png"
    if plane.page:
        raise ImageError(f"{plane}: there is no page {plane.page}; a {kind.upper()} has a single one, page 0")
    return kind
