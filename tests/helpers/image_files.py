"""Contents of image files of many kinds, made with the libraries that users have."""

import gzip
import io
import struct
import zlib

import numpy as np
import tifffile
from imagecodecs import jpeg8_encode, png_encode


def tiff(image, **settings) -> bytes:
    """A TIFF; settings as for `tifffile.imwrite`."""
    file = io.BytesIO()
    tifffile.imwrite(file, image, **settings)
    return file.getvalue()


def tiff_pages(*pages) -> bytes:
    """A TIFF of several pages, each given as (image, settings)."""
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for image, settings in pages:
            writer.write(image, **{"metadata": None, **settings})
    return file.getvalue()


def packed(content: bytes) -> bytes:
    """The content as a `.gz`."""
    return gzip.compress(content, mtime=0)


def jpeg(image, quality: int = 90, **settings) -> bytes:
    """A JPEG; settings as for `imagecodecs.jpeg8_encode`."""
    return jpeg8_encode(np.ascontiguousarray(image), level=quality, **settings)


def colour_png(image) -> bytes:
    """A PNG of 2 (grey, alpha), 3 or 4 channels."""
    return png_encode(np.ascontiguousarray(image))


def coloured(image, parts) -> np.ndarray:
    """A grey image (H, W) in a colour: (H, W, 3); parts: 0 or 1 of red, green and blue."""
    return np.stack([image * part for part in parts], axis=-1).astype(image.dtype)


def chunk(kind, content=b"") -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def small_png(indices, bits, colour, *more) -> bytes:
    """A PNG of packed samples of 1, 2, 4 or 8 bits, and more chunks before its pixels."""
    height, width = indices.shape
    rows = []
    for row in indices:
        text = "".join(f"{value:0{bits}b}" for value in row)
        text += "0" * (-len(text) % 8)
        rows.append(b"\0" + bytes(int(text[place : place + 8], 2) for place in range(0, len(text), 8)))
    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(b"".join(rows)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + b"".join(more) + data + chunk(b"IEND")


def palette(colours) -> bytes:
    """The palette of a PNG, a chunk."""
    return chunk(b"PLTE", np.asarray(colours, np.uint8).tobytes())
