"""A damaged TIFF or JPEG is refused with its name, or read as a whole image; nothing crashes, hangs or is left out.

Unlike PNG, these formats have no checksums: damage that leaves data that can be decoded changes pixels, and no reader
can notice it.
"""

import numpy as np
import pytest
from helpers.damage import damaged
from helpers.image_files import coloured, jpeg, packed, tiff
from hypothesis import given
from hypothesis import strategies as st

from puzzlecell.data.image_file import ImageError, read_header, read_plane
from puzzlecell.data.image_plane import ImagePlane

GREY = np.add.outer(np.arange(40) * 3, np.arange(48) % 11).astype(np.uint8)
DEEP = GREY.astype(np.uint16) * 300
STACK = np.stack([DEEP, DEEP[::-1]])
RAMP = np.zeros((3, 256), np.uint16)
RAMP[0] = np.arange(256) * 257
KINDS = {
    "strips": (tiff(DEEP, rowsperstrip=9), None, None),
    "LZW tiles": (tiff(DEEP, compression="lzw", predictor=2, tile=(32, 32)), None, None),
    "zstd": (tiff(GREY / np.float32(255), compression="zstd", predictor=3), None, None),
    "deflate, big endian": (tiff(DEEP, compression="deflate", byteorder=">"), None, None),
    "JPEG tiles": (tiff(GREY, compression="jpeg", tile=(32, 32)), None, None),
    "BigTIFF": (tiff(DEEP, bigtiff=True), None, None),
    "OME": (tiff(STACK, ome=True, photometric="minisblack", metadata={"axes": "CYX"}), None, 1),
    "ImageJ": (tiff(STACK, imagej=True, resolution=(9, 9), metadata={"axes": "CYX", "unit": "um"}), None, 1),
    "page": (tiff(STACK, photometric="minisblack", metadata=None), 1, None),
    "palette": (tiff(GREY, photometric="palette", colormap=RAMP), None, None),
    "gzip": (packed(tiff(DEEP)), None, None),
    "JPEG": (jpeg(GREY), None, None),
    "colour JPEG": (jpeg(coloured(GREY, (0, 1, 0))), None, None),
}
CHECKED = {"gzip"}
"""Kinds with a checksum over everything."""


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_a_damaged_image_is_refused_or_whole(tmp_path_factory, kind, data):
    content, page, channel = KINDS[kind]
    path = tmp_path_factory.getbasetemp() / "raw.bin"
    path.write_bytes(content)
    plane = ImagePlane(str(path), page, channel)
    expected = read_plane(plane)
    path.write_bytes(data.draw(damaged(content)))
    try:
        header, found = read_header(plane, max_megapixels=1), read_plane(plane, max_megapixels=1)
    except ImageError as error:
        assert str(path) in str(error)
        return
    assert found.shape == (header.height, header.width)
    assert found.dtype == {8: np.uint8, 16: np.uint16, 32: np.float32}[header.bit_depth]
    assert kind not in CHECKED or np.array_equal(found, expected)
