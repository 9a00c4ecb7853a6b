"""Greyscale PNGs: headers, checksums and pixels. Whatever is wrong with a file is an error that names it."""

import os
import struct
import zlib
from dataclasses import dataclass

import cv2
import numpy as np

from puzzlecell.data.file_bytes import open_regular, unreadable, whole_content
from puzzlecell.data.image_errors import ImageError
from puzzlecell.data.image_header import Header, check_size
from puzzlecell.data.stored_png import without_compression

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_END = b"\0\0\0\0IEND\xaeB`\x82"
_CUT_OFF = "cut off, the end of the PNG is missing"


class PngError(ImageError):
    """A PNG cannot be used; the message says which file, what was found and what was expected."""


@dataclass(frozen=True)
class PngLayout:
    """Size in pixels, bits per sample and colour type (0 grey, 2 RGB, 3 palette, 4 grey + alpha, 6 RGBA) of a PNG."""

    height: int
    width: int
    depth: int
    colour: int


def read_header(path: str | os.PathLike, *, max_megapixels: float | None = None) -> Header:
    """Read size and bit depth of a greyscale PNG from its first and last bytes, without decoding the image.

    max_megapixels: largest accepted image, in millions of pixels; None accepts all that OpenCV can decode. Raises
    MissingImageError for a missing file and ImageError for one that cannot be read, a folder or a named pipe, another
    format, a colour image, a bit depth other than 8 or 16, too many pixels, or a file that is cut off.
    """
    layout = read_layout(path, max_megapixels=max_megapixels, greyscale=True)
    return Header(layout.height, layout.width, layout.depth)


def read_layout(
    path: str | os.PathLike, *, max_megapixels: float | None = None, greyscale: bool = False
) -> PngLayout:
    """Read the layout of a PNG of any kind; raises as `read_header` does.

    greyscale: whether only greyscale PNGs of 8 or 16 bits are accepted.
    """
    descriptor, size = open_regular(path)
    try:
        head = os.pread(descriptor, 33, 0)
        end = os.pread(descriptor, len(_END), max(0, size - len(_END)))
        # Programs may append data to a PNG, which every decoder ignores.
        complete = end == _END or _has_end(descriptor, size)
    except OSError as error:
        raise unreadable(path, error) from error
    finally:
        os.close(descriptor)
    if head[:8] != _SIGNATURE or len(head) < 33 or head[8:16] != b"\0\0\0\rIHDR":
        raise PngError(f"{path}: not a PNG (it starts with {head[:8]!r})")
    if zlib.crc32(head[12:29]) != int.from_bytes(head[29:]):
        raise PngError(f"{path}: damaged, its header has a wrong checksum; copy the file again")
    width, height, depth, colour = struct.unpack(">IIBB", head[16:26])
    if greyscale and colour != 0:
        raise PngError(f"{path}: a colour PNG (type {colour}); expected a greyscale one")
    if greyscale and depth not in (8, 16):
        raise PngError(f"{path}: {depth} bits per pixel; expected 8 or 16")
    if not complete:
        raise PngError(f"{path}: {_CUT_OFF}; copy the file again")
    check_size(path, height, width, max_megapixels)
    return PngLayout(height, width, depth, colour)


def read_greyscale(path: str | os.PathLike, *, max_megapixels: float | None = None) -> np.ndarray:
    """Decode a greyscale PNG: (H, W) uint8 or uint16.

    Raises PngError as `read_header` does, and for damage anywhere in the file: decoders accept some damaged files, and
    OpenCV returns an image that is partly black for others. Raises MemoryError if the memory does not suffice.
    """
    header = read_header(path, max_megapixels=max_megapixels)
    content = intact_content(path)
    try:
        inflated = np.frombuffer(without_compression(content), np.uint8)
        image = cv2.imdecode(inflated, cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        if error.code == cv2.Error.StsNoMem:
            raise MemoryError(f"{path}: {error.err} for {header.width} x {header.height} pixels") from error
        raise PngError(f"{path}: OpenCV cannot decode it: {error.err}") from error
    depth = np.uint16 if header.bit_depth == 16 else np.uint8
    if image is None or image.shape != (header.height, header.width) or image.dtype != depth:
        raise PngError(f"{path}: damaged, the image cannot be decoded; copy the file again")
    return image


def intact_content(path: str | os.PathLike) -> bytes:
    """Return all bytes of a PNG; raises ImageError if a checksum is wrong or the end is missing."""
    content = whole_content(path)
    damage = _damage(content)
    if damage:
        raise PngError(f"{path}: {damage}; copy the file again")
    return content


def png_problem(path: str | os.PathLike) -> str | None:
    """Return what is wrong with a PNG of any kind, or None: its chunks are complete and their checksums are right.

    Reads the file once and decodes nothing. The text does not name the file.
    """
    try:
        return _damage(whole_content(path))
    except ImageError as error:
        return str(error).removeprefix(f"{path}: ")


def _has_end(descriptor: int, size: int) -> bool:
    """Whether the chunks of a PNG lead to its end; reads only their lengths and types."""
    place = len(_SIGNATURE)
    while place + 12 <= size:
        start = os.pread(descriptor, 8, place)
        if not start[4:].isalpha():
            return False
        if start[4:] == b"IEND":
            return True
        place += 12 + int.from_bytes(start[:4])
    return False


def _damage(content: bytes) -> str | None:
    """Return what is wrong with the chunks of a PNG up to its end, or None."""
    if content[:8] != _SIGNATURE:
        return f"not a PNG (it starts with {content[:8]!r})"
    view = memoryview(content)
    place = len(_SIGNATURE)
    while place + 12 <= len(content):
        kind = content[place + 4 : place + 8]
        end = place + 12 + int.from_bytes(content[place : place + 4])
        if end > len(content):
            break
        if zlib.crc32(view[place + 4 : end - 4]) != int.from_bytes(content[end - 4 : end]):
            return f"damaged, the checksum of the block at byte {place} is wrong"
        if kind == b"acTL":
            return "an animated PNG; expected a single image"
        if kind == b"IEND":
            return None
        place = end
    if content.endswith(_END):
        return f"damaged, the length of the block at byte {place} is wrong"
    return _CUT_OFF
