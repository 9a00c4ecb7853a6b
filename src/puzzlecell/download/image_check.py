"""Whether a downloaded image is whole: it is decoded once."""

import gzip
import io
import zlib
from pathlib import Path

import cv2
import numpy as np
import tifffile

from puzzlecell.data.png import png_problem

KINDS = {
    b"\x89PNG": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
}

MOST_BYTES = 10**9
"""Of an unpacked file: ten times a field of the atlas with 4 channels of 16 bits. Some bytes can unpack to anything."""


def image_problem(path: Path) -> str | None:
    """Return what is wrong with a PNG, a JPEG or a TIFF, also a `.tif.gz`; None if it can be decoded in full."""
    file = content = path.read_bytes()
    if content[:2] == b"\x1f\x8b":
        try:
            with gzip.GzipFile(fileobj=io.BytesIO(file)) as unpacked:
                content = unpacked.read(MOST_BYTES + 1)
        except (EOFError, OSError, zlib.error) as error:
            return f"damaged: it cannot be unpacked ({error})"
        if len(content) > MOST_BYTES:
            return f"unpacks to more than {MOST_BYTES / 1e9:.0f} GB; expected a single TIFF"
    kind = next((name for start, name in KINDS.items() if content.startswith(start)), None)
    if kind is None:
        return f"not an image (it starts with {content[:16]!r})"
    if kind != "TIFF" and content is not file:
        return f"a {kind} packed with gzip; of packed files, only TIFFs are read"
    if kind == "PNG":
        problem = png_problem(path)
        if problem:
            return problem
    # Decoders show a JPEG that is cut off with a grey rest. Pixels never contain the mark of its end.
    if kind == "JPEG" and b"\xff\xd9" not in content[-1024:]:
        return "damaged: the end of the JPEG is missing"
    try:
        if kind == "TIFF":
            size = tifffile.imread(io.BytesIO(content)).size
        else:
            image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
            size = 0 if image is None else image.size
    # tifffile and its decoders raise many kinds.
    except Exception as error:
        return f"damaged: the {kind} cannot be decoded ({' '.join(str(error).split())[:200]})"
    return f"damaged: the {kind} cannot be decoded" if size == 0 else None
