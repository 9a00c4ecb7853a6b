"""Images of every kind are read as they are, or refused with the reason."""

import struct

import numpy as np
import pytest
from helpers.image_files import colour_png, coloured, jpeg, packed, palette, small_png, tiff, tiff_pages
from imagecodecs import jpeg8_decode, png_encode

from puzzlecell.data.image_file import ImageError, MissingImageError, read_header, read_plane
from puzzlecell.data.image_plane import ImagePlane

GREY = np.add.outer(np.arange(70) * 2, np.arange(90)).astype(np.uint8)
DEEP = GREY.astype(np.uint16) * 250
UNIT = GREY / np.float32(255)
STACK = np.stack([DEEP, DEEP + 1, DEEP + 2, DEEP + 3])
OPAQUE = np.full_like(GREY, 255)
GREEN_RAMP = np.zeros((3, 256), np.uint16)
GREEN_RAMP[1] = np.arange(256) * 257
SEPARATE = {"photometric": "minisblack", "planarconfig": "separate"}
CONTIG = {"photometric": "minisblack", "planarconfig": "contig"}
PLAIN = {"photometric": "minisblack", "metadata": None}


def plane(tmp_path, content, page=None, channel=None, name="x.tif"):
    path = tmp_path / name
    path.write_bytes(content)
    return ImagePlane(str(path), page, channel)


READ = {
    "strips": (tiff(DEEP, rowsperstrip=7), DEEP),
    "tiles": (tiff(DEEP, tile=(32, 48)), DEEP),
    "big endian": (tiff(DEEP, byteorder=">"), DEEP),
    "BigTIFF": (tiff(DEEP, bigtiff=True), DEEP),
    "gzip": (packed(tiff(DEEP)), DEEP),
    "single": (tiff(UNIT, compression="zstd", predictor=3), UNIT),
    "double": (tiff(UNIT.astype(np.float64)), UNIT),
    "half": (tiff(UNIT.astype(np.float16)), UNIT.astype(np.float16).astype(np.float32)),
    "12 bits packed": (tiff(DEEP // 16, bitspersample=12), DEEP // 16),
    "1 bit": (tiff(GREY > 99, photometric="minisblack"), np.where(GREY > 99, 255, 0).astype(np.uint8)),
    "16 bits signed": (tiff(GREY.astype(np.int16)), GREY.astype(np.uint16)),
    "32 bits": (tiff(DEEP.astype(np.uint32)), DEEP),
    "ImageJ hyperstack": (tiff(STACK, imagej=True, metadata={"axes": "CYX"}), STACK[3], None, 3),
    "OME channels": (tiff(STACK, ome=True, **SEPARATE, metadata={"axes": "CYX"}), STACK[1], None, 1),
    "OME z, by page": (tiff(STACK, ome=True, metadata={"axes": "ZYX"}), STACK[2], 2),
    "pages": (tiff(STACK, **PLAIN), STACK[3], 3),
    "planar": (tiff(STACK, **SEPARATE, tile=(32, 32)), STACK[2], None, 2),
    "contiguous": (tiff(np.moveaxis(STACK, 0, -1), **CONTIG), STACK[2], None, 2),
    "contiguous, by page": (tiff(np.moveaxis(STACK, 0, -1), **CONTIG), STACK[1], 0, 1),
    "only channel": (tiff(DEEP), DEEP, 0, 0),
    "thumbnail": (tiff_pages((DEEP, {}), (DEEP[::2, ::2], {"subfiletype": 1})), DEEP),
    "pyramid": (tiff_pages((DEEP, {"subifds": 1}), (DEEP[::2, ::2], {"subfiletype": 1})), DEEP),
    "RGB": (tiff(coloured(GREY, (0, 1, 0)), photometric="rgb"), GREY),
    "RGB, planar": (tiff(np.stack([0 * GREY, 0 * GREY, GREY]), photometric="rgb", planarconfig=2), GREY),
    "RGB of 16 bits": (tiff(coloured(DEEP, (1, 1, 0)), photometric="rgb"), DEEP),
    "grey RGBA": (tiff(np.dstack([GREY] * 3 + [OPAQUE]), photometric="rgb", extrasamples=[2]), GREY),
    "colour by channel": (tiff(np.dstack([GREY, GREY[::-1], GREY]), photometric="rgb"), GREY[::-1], None, 1),
    "palette": (tiff(GREY, photometric="palette", colormap=GREEN_RAMP), GREY),
    "PNG called .tif": (png_encode(DEEP), DEEP),
    "RGB PNG": (colour_png(coloured(DEEP, (1, 0, 0))), DEEP),
    "grey PNG with alpha": (colour_png(np.dstack([GREY, OPAQUE])), GREY),
    "RGBA PNG by channel": (colour_png(np.dstack([GREY, OPAQUE, GREY, GREY[::-1]])), GREY[::-1], None, 3),
    "1-bit PNG": (small_png(GREY % 2, 1, 0), GREY % 2 * np.uint8(255)),
    "2-bit PNG": (small_png(GREY % 4, 2, 0), GREY % 4 * np.uint8(85)),
    "4-bit PNG": (small_png(GREY % 16, 4, 0), GREY % 16 * np.uint8(17)),
    "palette PNG": (
        small_png(GREY % 4, 2, 3, palette([(0, 0, 9), (0, 0, 7), (0, 0, 0), (0, 0, 255)])),
        np.array([9, 7, 0, 255], np.uint8)[GREY % 4],
    ),
    "JPEG": (jpeg(GREY), jpeg8_decode(jpeg(GREY))),
    "JPEG and more bytes": (jpeg(GREY) + b"camera: 7", jpeg8_decode(jpeg(GREY))),
    "JPEG with large metadata": (
        jpeg(GREY)[:2] + b"\xff\xe1\xea\x60" + bytes(60_000 - 2) + jpeg(GREY)[2:],
        jpeg8_decode(jpeg(GREY)),
    ),
    "red JPEG": (jpeg(coloured(GREY, (1, 0, 0))), jpeg8_decode(jpeg(coloured(GREY, (1, 0, 0))))[..., 0]),
    "yellow JPEG": (jpeg(coloured(GREY, (1, 1, 0))), jpeg8_decode(jpeg(coloured(GREY, (1, 1, 0))))[..., 1]),
    "JPEG by channel": (
        jpeg(np.dstack([GREY, GREY[::-1], OPAQUE])),
        jpeg8_decode(jpeg(np.dstack([GREY, GREY[::-1], OPAQUE])))[..., 1],
        0,
        1,
    ),
    **{
        f"{name}{' tiles' * (tile is not None)}": (
            tiff(DEEP, compression=name, tile=tile, predictor=name in ("lzw", "deflate", "zstd")),
            DEEP,
        )
        for name in ("lzw", "deflate", "zstd", "packbits", "lzma")
        for tile in (None, (32, 48))
    },
}


@pytest.mark.parametrize("name", READ)
def test_images_are_read_as_they_were_written(tmp_path, name):
    content, expected, *where = READ[name]
    given = plane(tmp_path, content, *where)
    header, image = read_header(given), read_plane(given)
    np.testing.assert_array_equal(image, expected, strict=True)
    assert (header.height, header.width) == image.shape
    assert (header.kind, header.bit_depth) == (
        "float" if image.dtype.kind == "f" else "uint",
        8 * image.itemsize,
    )


def test_a_jpeg_inside_a_tiff_is_read(tmp_path):
    for tile in (None, (32, 48)):
        image = read_plane(plane(tmp_path, tiff(GREY, compression="jpeg", tile=tile)))
        # JPEG of quality 95 on a smooth ramp.
        assert np.abs(image.astype(int) - GREY).max() <= 2


WITH_NAN = UNIT.copy()
WITH_NAN[3, 3:5] = np.nan, np.inf
# The offset of the next page, behind the 11 or more tags of the first, leads back to it.
TAGS = int.from_bytes(tiff(DEEP, metadata=None)[8:10], "little")
CIRCLE = bytearray(tiff(DEEP, metadata=None))
CIRCLE[10 + 12 * TAGS : 14 + 12 * TAGS] = CIRCLE[4:8]
# The type of the first tag, the width of the image, does not exist.
LOST_TAG = bytearray(tiff(DEEP, metadata=None))
LOST_TAG[12] = 99
HOLE = tiff(DEEP, rowsperstrip=35, metadata=None).replace(struct.pack("<HH", 6300, 6300), bytes(4))
REFUSED = {
    "empty": (b"", "an empty file; expected PNG, TIFF"),
    "text": (b"hello world", "not an image that can be read .it starts with b'hello wo'.; expected PNG"),
    "cut off": (tiff(DEEP)[:-500], "cut off, its strips end at byte .* but the file at"),
    "cut off in its header": (tiff(DEEP)[:30], "cut off, its list of pages leads beyond its end"),
    "pages in a circle": (CIRCLE, "its pages form a circle"),
    "no tags": (tiff(DEEP)[:8] + bytes(400), "damaged, page 0 has 0 tags"),
    "a tag of no type": (LOST_TAG, "0 x 70 pixels; expected at least one"),
    "no strip": (HOLE, "some of its strips are empty"),
    "zlib": (tiff(DEEP, compression="deflate")[:-300] + bytes(300), "damaged"),
    "gzip cut off": (packed(tiff(DEEP))[:-40], "gzip cannot unpack it"),
    "gzip of text": (packed(b"hello world"), "packed with gzip, but not a TIFF"),
    "gzip bomb": (packed(bytes(2_000_000)), "unpacks to more than 1 MB"),
    "no such page": (tiff(STACK, **PLAIN), "no page 4; the file has 4", 4),
    "no such channel": (tiff(STACK, **SEPARATE), "no channel 4; the image has 4", None, 4),
    "no such channel of one": (tiff(DEEP), "no channel 1; the image has 1", None, 1),
    "which page": (tiff(STACK, **PLAIN), "holds 4 pages; expected a single image: name the page"),
    "which channel": (tiff(STACK, **SEPARATE), "has 4 channels; name the one"),
    "which sample": (tiff(np.moveaxis(STACK, 0, -1), **CONTIG), "has 4 channels; name the one"),
    "which image": (tiff_pages((DEEP, {}), (GREY[:30], {})), "holds 2 images: 70x90 .YX., 30x90"),
    "z": (tiff(STACK, ome=True, metadata={"axes": "ZYX"}), "holds 4 planes along z; .* name the page"),
    "t": (tiff(STACK, imagej=True, metadata={"axes": "TYX"}), "holds 4 points in time; .* name the page"),
    "z and channels": (
        tiff(np.stack([STACK, STACK]), ome=True, metadata={"axes": "CZYX"}),
        "holds 2 channels, 4 planes along z",
        None,
        1,
    ),
    "complex": (tiff(UNIT.astype(np.complex64)), "pixels of complex numbers"),
    "negative integers": (
        tiff(GREY.astype(np.int16) - 9),
        "pixels from -9 to 218 .int16.; expected 0 to 65535: add a constant",
    ),
    "large integers": (
        tiff(DEEP.astype(np.uint32) * 9),
        "pixels from 0 to 510750 .uint32.; expected 0 to 65535: scale",
    ),
    "not a number": (tiff(WITH_NAN), "2 pixels are not a number, or infinite"),
    "beyond single precision": (tiff(UNIT * np.float64(1e300)), "are not a number, or infinite"),
    "negative": (tiff(UNIT - 0.1), "pixels below 0, down to -0.1"),
    "white is zero": (tiff(GREY, photometric="miniswhite"), "MinIsWhite"),
    "volume": (tiff(STACK, volumetric=True, tile=(4, 32, 32), **PLAIN), "a volume of 4 planes", 0),
    "JPEG XL": (tiff(GREY, compression="jpegxl"), "compressed with JPEGXL"),
    "oblong pixels": (
        tiff(DEEP, ome=True, metadata={"axes": "YX", "PhysicalSizeX": 0.08, "PhysicalSizeY": 0.1}),
        "its pixels are 0.08 x 0.1 um; expected square ones",
    ),
    "colour": (
        tiff(np.dstack([GREY, GREY[::-1], 0 * GREY]), photometric="rgb"),
        "uses several channels .red 0 to",
    ),
    "colour of floats": (tiff(np.dstack([UNIT] * 3), photometric="rgb"), "a colour TIFF of float32"),
    "transparent": (
        tiff(np.dstack([GREY] * 4), photometric="rgb", extrasamples=[2]),
        "transparent parts; expected an opaque one, or the number of the channel",
    ),
    "colour palette": (
        tiff(
            GREY,
            photometric="palette",
            colormap=np.stack([GREEN_RAMP[1], GREEN_RAMP[1][::-1], GREEN_RAMP[1]]),
        ),
        "uses several channels",
    ),
    "colour PNG": (colour_png(np.dstack([GREY, GREY[::-1], GREY])), "uses several channels"),
    "colour palette PNG": (
        small_png(GREY % 2, 1, 3, palette([(1, 0, 0), (0, 9, 0)])),
        "uses several channels",
    ),
    "palette PNG without colours": (small_png(GREY % 4, 2, 3), "cannot be decoded"),
    "channel of a grey PNG": (png_encode(GREY), "no channel 1; this PNG has 1", None, 1),
    "page of a PNG": (png_encode(GREY), "no page 1; a PNG has a single one", 1),
    "page of a JPEG": (jpeg(GREY), "no page 1; a JPEG has a single one", 1),
    "channel of a JPEG": (jpeg(GREY), "no channel 1; this JPEG has 1", None, 1),
    "colour JPEG": (jpeg(np.dstack([GREY, GREY[::-1], GREY])), "uses several channels"),
    "CMYK JPEG": (jpeg(np.dstack([GREY] * 4)), "a JPEG of 4 channels"),
    "12-bit JPEG": (jpeg(DEEP // 16, bitspersample=12), "a JPEG of 12 bits"),
    "lossless JPEG": (jpeg(GREY, lossless=True), "unusual kind .SOF3."),
    "JPEG without its end": (jpeg(GREY)[:-2], "cut off, the end of the JPEG is missing"),
    "JPEG cut off": (jpeg(GREY)[:-90], "cut off, the end of the JPEG is missing"),
    "half a JPEG with an end": (jpeg(GREY)[:-200] + b"\xff\xd9", "compressed data are missing"),
    "too large": (tiff(np.zeros((1000, 1000), np.uint8)), "more than ingest.max_megapixels: 0.02"),
    "large JPEG": (jpeg(np.zeros((1000, 1000), np.uint8)), "more than ingest.max_megapixels: 0.02"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_refused_with_the_reason(tmp_path, name):
    content, message, *where = REFUSED[name]
    with pytest.raises(ImageError, match=f"x.tif.*: .*{message}"):
        read_plane(plane(tmp_path, content, *where), max_megapixels=0.02)


FOUND_BY_DECODING = {
    "zlib", "negative integers", "large integers", "not a number", "beyond single precision", "negative",
    "colour", "transparent", "colour palette", "colour PNG", "colour palette PNG", "palette PNG without colours",
    "colour JPEG", "half a JPEG with an end",
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(set(REFUSED) - FOUND_BY_DECODING))
def test_what_the_header_shows_is_refused_without_decoding(tmp_path, name):
    content, message, *where = REFUSED[name]
    with pytest.raises(ImageError, match=message):
        read_header(plane(tmp_path, content, *where), max_megapixels=0.02)


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    for read in (read_header, read_plane):
        with pytest.raises(MissingImageError, match="x.tif: file is missing"):
            read(ImagePlane(str(tmp_path / "x.tif"), 1, 2))
        with pytest.raises(ImageError, match="a folder; expected an image file"):
            read(ImagePlane(str(tmp_path)))


SIZES = {"PhysicalSizeX": 0.08, "PhysicalSizeY": 80, "PhysicalSizeYUnit": "nm", "axes": "YX"}


@pytest.mark.parametrize(
    ("settings", "um"),
    [
        ({"ome": True, "metadata": SIZES}, 0.08),
        ({"ome": True, "metadata": {"axes": "YX"}}, None),
        ({"ome": True, "metadata": {**SIZES, "PhysicalSizeXUnit": "pixel"}}, None),
        ({"imagej": True, "resolution": (10, 10), "metadata": {"unit": "um"}}, 0.1),
        ({"imagej": True, "resolution": (10, 10), "metadata": {"unit": "\\u00B5m"}}, 0.1),
        ({"imagej": True, "resolution": (10, 10), "metadata": {"unit": "pixel"}}, None),
        ({"resolution": (20_000, 20_000), "resolutionunit": "CENTIMETER"}, 0.5),
        ({"resolution": (50_800, 50_800), "resolutionunit": "INCH"}, 0.5),
        ({"resolution": (72, 72), "resolutionunit": "INCH"}, None),
        ({"resolution": (20_000, 20_000), "resolutionunit": "NONE"}, None),
        ({}, None),
    ],
)
def test_pixel_sizes_are_those_of_a_microscope_only(tmp_path, settings, um):
    found = read_header(plane(tmp_path, tiff(DEEP, **settings))).pixel_size_um
    assert found is None if um is None else found == pytest.approx(um)


@pytest.mark.parametrize(
    ("name", "note"),
    [
        ("strips", None),
        ("JPEG", None),
        ("colour by channel", None),
        ("red JPEG", "a colour JPEG, of which the one channel in use was taken"),
        ("RGB", "a colour TIFF, of which the one channel in use was taken"),
        ("palette PNG", "a PNG with a palette, of whose colours the one channel in use was taken"),
        ("palette", "a TIFF with a palette, of whose colours the one channel in use was taken"),
        ("1-bit PNG", "a PNG of fewer than 8 bits, whose brightest possible pixel became 255"),
        ("1 bit", "a TIFF of fewer than 8 bits, whose brightest possible pixel became 255"),
        ("32 bits", "a TIFF of signed or 32-bit integers, all of which fit 16 bits"),
    ],
)
def test_unusual_files_are_noted(tmp_path, name, note):
    content, _, *where = READ[name]
    assert read_header(plane(tmp_path, content, *where)).note == note
