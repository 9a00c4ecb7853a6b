"""JPEGs: headers and pixels.

JPEG has no checksums. libjpeg fills what it cannot decode with grey and only warns, which no Python library passes on;
so each file is decoded twice, the second time with more data behind each part: if that changes a pixel, data were
missing.
"""

import itertools
import os
import re
import struct
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from puzzlecell.data.colour import single_channel
from puzzlecell.data.file_bytes import first_and_last_bytes, whole_content
from puzzlecell.data.image_errors import ImageError, ImageProblem
from puzzlecell.data.image_header import Header, check_size

NOTE = "a colour JPEG, of which the one channel in use was taken"
# Start of frame: 0 baseline, 1 extended, 2 progressive. The other kinds are rare and have no 8-bit samples for certain.
READABLE = {0xC0, 0xC1, 0xC2}
FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD8)}
RESTART, END, SCAN = 0xD0, 0xD9, 0xDA
END_OF_IMAGE = b"\xff\xd9"
START = 16_384
"""Bytes that hold the header of most JPEGs."""
# Markers inside compressed data: FF 00 is a byte FF, and FF D0 to FF D7 count parts.
_MARKER = re.compile(rb"\xff+([^\x00\xff])", re.DOTALL)
# Bits of both kinds, so that no decoder mistakes them for the zeros that it would fill in.
DATA_MISSING = "damaged, compressed data are missing, so that a part of the image would be grey"
_MORE_DATA = bytes([0x5A, 0xA5, 0x3C, 0x96, 0xE7, 0x18, 0xDB, 0x42]) * 8


@dataclass(frozen=True)
class JpegLayout:
    """Size in pixels and channels of a JPEG; ends: offsets of the markers at which compressed data end; length: up to
    the end of the image."""

    height: int
    width: int
    channels: int
    ends: tuple[int, ...]
    length: int


def jpeg_layout(content: bytes) -> JpegLayout:
    """Find the parts of a JPEG without decoding it; raises ImageProblem saying what is wrong with it."""
    if content[:3] != b"\xff\xd8\xff":
        raise ImageProblem(f"not a JPEG (it starts with {content[:8]!r})")
    frame: tuple[int, int, int] | None = None
    ends: list[int] = []
    place = 2
    while True:
        found = _MARKER.match(content, place)
        if not found:
            if len(content) - place < 2:
                raise ImageProblem("cut off, the end of the JPEG is missing")
            raise ImageProblem(f"damaged, no marker at byte {place}")
        kind, place = found[1][0], found.end()
        if kind == END:
            break
        if kind in WITHOUT_LENGTH:
            continue
        length = int.from_bytes(content[place : place + 2])
        if length < 2 or place + length > len(content):
            raise ImageProblem("cut off, the end of the JPEG is missing")
        if kind in FRAMES:
            if frame:
                raise ImageProblem("damaged, a second image size inside")
            frame = _frame(kind, content[place + 2 : place + length])
        place += length
        if kind == SCAN:
            # The compressed data of a scan follow its header.
            place = _end_of_scan(content, place, ends)
    if frame is None or not ends:
        raise ImageProblem("damaged, a JPEG without an image")
    return JpegLayout(*frame, tuple(ends), place)


def _frame(kind: int, content: bytes) -> tuple[int, int, int]:
    """Height, width and number of channels from a start of frame."""
    if kind not in READABLE or len(content) < 6:
        raise ImageProblem(
            f"a JPEG of an unusual kind (SOF{kind - 0xC0}); expected a baseline or progressive one"
        )
    depth, height, width, channels = struct.unpack(">BHHB", content[:6])
    if depth != 8:
        raise ImageProblem(f"a JPEG of {depth} bits per channel; expected 8")
    if channels not in (1, 3):
        raise ImageProblem(f"a JPEG of {channels} channels; expected grey or RGB")
    return height, width, channels


def _end_of_scan(content: bytes, place: int, ends: list[int]) -> int:
    """Return where the marker behind the compressed data starts; adds the ends of the data to `ends`."""
    for number in itertools.count():
        found = _MARKER.search(content, place)
        if not found:
            raise ImageProblem("cut off, the end of the JPEG is missing")
        ends.append(found.start())
        kind = found[1][0]
        if not RESTART <= kind < RESTART + 8:
            break
        if kind != RESTART + number % 8:
            raise ImageProblem(f"damaged, part {number} of its compressed data is missing")
        place = found.end()
    return ends[-1]


def jpeg_header(
    path: str | os.PathLike, *, channel: int | None = None, max_megapixels: float | None = None
) -> Header:
    """Read the header of a JPEG; channel: 0 to 2 of RGB, or None. Raises ImageError naming the file.

    Only the start and the end of the file are read, unless they are unusual: large metadata, or bytes behind the end.
    """
    start, end = first_and_last_bytes(path, START, 2)
    if end == END_OF_IMAGE:
        with suppress(ImageProblem):
            return _header(path, jpeg_layout(start + END_OF_IMAGE), channel, max_megapixels)
    return _layout(path, whole_content(path), channel, max_megapixels)[0]


def read_jpeg(
    path: str | os.PathLike, *, channel: int | None = None, max_megapixels: float | None = None
) -> np.ndarray:
    """Decode a JPEG: (H, W) uint8. channel: of RGB, 0 to 2; None takes the only one in use (see `single_channel`).

    Raises ImageError naming the file: not a JPEG, cut off, data missing, or several channels in use. Damage that leaves
    a JPEG that can be decoded to its end cannot be noticed. Orientation tags are not applied.
    """
    content = whole_content(path)
    header, layout = _layout(path, content, channel, max_megapixels)
    try:
        image = _decode_checked(content, layout)
    except ImageProblem as error:
        raise ImageError(f"{path}: {error}; copy the file again") from error
    if image.shape[:2] != (header.height, header.width):
        raise ImageError(f"{path}: damaged, the image cannot be decoded; copy the file again")
    if image.ndim == 2:
        return image
    if channel is not None:
        return np.ascontiguousarray(image[..., channel])
    try:
        return np.ascontiguousarray(single_channel(image, lossy=True))
    except ImageProblem as error:
        raise ImageError(f"{path}: {error}") from error


def with_more_data(content: bytes, layout: JpegLayout) -> bytes:
    """Return the JPEG with meaningless data behind all compressed data.

    It is decoded to the same pixels, unless data are missing.
    """
    content = content[: layout.length]
    ends = zip((0, *layout.ends), (*layout.ends, None), strict=True)
    return _MORE_DATA.join(content[start:end] for start, end in ends)


def _decode_checked(content: bytes, layout: JpegLayout) -> np.ndarray:
    """Decode a JPEG: (H, W) or (H, W, 3) uint8; raises ImageProblem if it is damaged or data are missing."""
    from imagecodecs import jpeg8_decode

    try:
        image = jpeg8_decode(content[: layout.length])
        longer = jpeg8_decode(with_more_data(content, layout))
    except RuntimeError as error:
        raise ImageProblem(f"damaged, the JPEG cannot be decoded: {error}") from error
    if not np.array_equal(image, longer):
        raise ImageProblem(DATA_MISSING)
    return image


def _layout(
    path: str | os.PathLike, content: bytes, channel: int | None, max_megapixels: float | None
) -> tuple[Header, JpegLayout]:
    try:
        layout = jpeg_layout(content)
    except ImageProblem as error:
        again = "; copy the file again" if str(error).startswith(("cut off", "damaged")) else ""
        raise ImageError(f"{path}: {error}{again}") from error
    return _header(path, layout, channel, max_megapixels), layout


def _header(
    path: str | os.PathLike, layout: JpegLayout, channel: int | None, max_megapixels: float | None
) -> Header:
    check_size(path, layout.height, layout.width, max_megapixels)
    if channel is not None and channel >= layout.channels:
        raise ImageError(f"{path}: no channel {channel}; this JPEG has {layout.channels} (numbered from 0)")
    note = NOTE if layout.channels == 3 and channel is None else None
    return Header(layout.height, layout.width, 8, note=note)
