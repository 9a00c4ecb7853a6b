import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from puzzlecell.data.png import png_problem
from puzzlecell.data.stored_png import without_compression


def pixels(shape, dtype=np.uint8, seed=0):
    """Smooth structures with noise, for which encoders choose several filters."""
    noise = np.random.default_rng(seed).normal(0, 1, shape)
    smooth = cv2.GaussianBlur(noise, (0, 0), 4) * 8 + noise / 20
    return ((smooth - smooth.min()) / np.ptp(smooth) * np.iinfo(dtype).max).astype(dtype)


def png(image, mode=None, **options):
    file = io.BytesIO()
    opened = Image.fromarray(image)
    (opened if mode is None else opened.convert(mode)).save(file, "png", **options)
    return file.getvalue()


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def assembled(width, height, data, *, interlaced=0):
    """An 8-bit greyscale PNG with this image data."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, interlaced)
    chunks = [chunk(b"IHDR", header), chunk(b"IDAT", data), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize(
    "content",
    [
        png(pixels((300, 501))),
        png(pixels((300, 501), np.uint16)),
        png(pixels((40, 31, 3))),
        png(pixels((40, 31)), "P"),
        png(pixels((40, 31)), "1"),
        png(pixels((40, 31)), "LA"),
        png(np.full((1, 1), 7, np.uint8)),
        # Exactly one block, and exactly two.
        png(pixels((257, 254))),
        png(pixels((514, 254))),
        # A chunk before the image and one after it, and several chunks of the image.
        assembled(3, 1, zlib.compress(b"\0abc")).replace(
            chunk(b"IEND", b""), chunk(b"tEXt", b"a\0b") + chunk(b"IEND", b"") + b"more"
        ),
        png(pixels((700, 700), np.uint16), dpi=(72, 72)),
    ],
)
def test_the_image_and_its_other_chunks_stay(tmp_path, content):
    stored = without_compression(content)
    path = tmp_path / "stored.png"
    path.write_bytes(stored)
    assert stored != content
    assert png_problem(path) is None
    images = [cv2.imdecode(np.frombuffer(one, np.uint8), cv2.IMREAD_UNCHANGED) for one in (content, stored)]
    np.testing.assert_array_equal(*images)
    others = [one[: one.index(b"IDAT") - 4] + one[one.index(b"IEND") :] for one in (content, stored)]
    assert others[0] == others[1]


GOOD = zlib.compress(b"\0abc\0def")


@pytest.mark.parametrize(
    "content",
    [
        assembled(3, 2, GOOD[:-4] + b"\0\0\0\0"),
        assembled(3, 2, GOOD[:6]),
        assembled(3, 2, b"no deflate"),
        assembled(3, 2, b""),
        assembled(3, 3, GOOD),
        assembled(3, 1, GOOD),
        assembled(3, 2, GOOD, interlaced=1),
    ],
)
def test_what_cannot_be_inflated_is_left_to_the_decoder(content):
    assert without_compression(content) is content
