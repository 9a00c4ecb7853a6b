"""PNGs inflated in advance, so that their decoder has less to do.

Decoders inflate with zlib, which is up to half of their time for a noisy image. libdeflate takes half of that, but
knows nothing of PNG, and the filters of the rows are best left to a decoder. So the data is inflated here and put into
a PNG without compression, which the decoder reads as any other.
"""

import struct
import zlib

import numpy as np

_BLOCK = 65535
"""Bytes of the largest block that deflate can store without compression (RFC 1951, 3.2.4)."""
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Samples per pixel by colour type."""


def without_compression(content: bytes) -> bytes:
    """Return a PNG with the same image whose data is not compressed, or the PNG itself.

    content: a PNG of any kind with intact chunks (`png_problem`). It is returned itself if it is interlaced, or if its
    data is damaged or longer or shorter than its header says: that is for the decoder to find out.
    """
    import imagecodecs  # imported here because the checks before the first job decode nothing

    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", content[16:29])
    if interlaced or colour not in _SAMPLES:
        return content
    size = height * (1 + (width * depth * _SAMPLES[colour] + 7) // 8)
    before, data, after = _parts(content)
    try:
        inflated = imagecodecs.deflate_decode(data, out=bytearray(size))
    except (imagecodecs.DeflateError, ValueError):
        return content
    if len(inflated) != size:
        return content
    return b"".join([before, _stored(np.frombuffer(inflated, np.uint8)), after])


def _parts(content: bytes) -> tuple[bytes, bytes, bytes]:
    """What is before the chunks of image data (IDAT), the data of all of them, and what is after them."""
    data: list[memoryview] = []
    view = memoryview(content)
    place, first, last = 8, 0, 0
    while place + 12 <= len(content):
        end = place + 12 + int.from_bytes(view[place : place + 4])
        if content[place + 4 : place + 8] == b"IDAT":
            first, last = first or place, end
            data.append(view[place + 8 : end - 4])
        elif data:
            break
        place = end
    return content[:first], b"".join(data), content[last:]


def _stored(inflated: np.ndarray) -> memoryview:
    """A chunk of image data that holds these bytes (n) uint8 without compression."""
    whole, rest = divmod(len(inflated), _BLOCK)
    # A last block that is not whole, maybe empty, so that no whole one has to be marked as the last.
    blocks = 5 * (whole + 1) + len(inflated)
    size = 2 + blocks + 4
    chunk = np.empty(size + 12, np.uint8)
    struct.pack_into(">I4s2s", chunk.data, 0, size, b"IDAT", b"\x78\x01")
    body = chunk[10 : 10 + blocks]
    rows = body[: whole * (5 + _BLOCK)].reshape(whole, 5 + _BLOCK)
    rows[:, :5] = np.frombuffer(struct.pack("<BHH", 0, _BLOCK, 0), np.uint8)
    rows[:, 5:] = inflated[: whole * _BLOCK].reshape(whole, _BLOCK)
    struct.pack_into("<BHH", body.data, whole * (5 + _BLOCK), 1, rest, _BLOCK - rest)
    body[blocks - rest :] = inflated[len(inflated) - rest :]
    struct.pack_into(">I", chunk.data, size + 4, zlib.adler32(inflated.data))
    struct.pack_into(">I", chunk.data, size + 8, zlib.crc32(chunk[4 : size + 8].data))
    return chunk.data
