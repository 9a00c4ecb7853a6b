"""Damage anywhere in a PNG is found, and what is no damage is accepted."""

import os
import socket
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from puzzlecell.data.image_errors import ImageError, MissingImageError
from puzzlecell.data.png import PngError, png_problem, read_greyscale, read_header


def chunk(kind, content=b""):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(image, between=b"", *, depth=None, interlaced=0, size=None):
    """A PNG with a text chunk and its pixels in three chunks; `between` comes before them."""
    height, width = size or image.shape
    header = struct.pack(">IIBBBBB", width, height, depth or image.dtype.itemsize * 8, 0, 0, 0, interlaced)
    lines = image.astype(image.dtype.newbyteorder(">"))
    if interlaced:
        starts = [
            (0, 0, 8, 8),
            (0, 4, 8, 8),
            (4, 0, 8, 4),
            (0, 2, 4, 4),
            (2, 0, 4, 2),
            (0, 1, 2, 2),
            (1, 0, 2, 1),
        ]
        passes = [lines[top::down, left::right] for top, left, down, right in starts]
        rows = [row for part in passes if part.size for row in part]
    else:
        rows = list(lines)
    packed = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    third = len(packed) // 3
    pixels = [packed[:third], packed[third : 2 * third], packed[2 * third :]]
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"tEXt", b"Comment\0of a microscope")
        + between
        + b"".join(chunk(b"IDAT", part) for part in pixels)
        + chunk(b"IEND")
    )


def picture(dtype=np.uint8, shape=(9, 13)):
    top = np.iinfo(dtype).max
    return np.random.default_rng(0).integers(0, top, shape, dtype=dtype, endpoint=True)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x_red.png"


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("interlaced", [0, 1])
def test_changing_or_cutting_any_byte_is_found(path, dtype, interlaced):
    image = picture(dtype)
    good = png(image, interlaced=interlaced)
    path.write_bytes(good)
    np.testing.assert_array_equal(read_greyscale(path), image)
    assert png_problem(path) is None
    rng = np.random.default_rng(1)
    changed = []
    for place in range(len(good)):
        flipped = bytearray(good)
        flipped[place] ^= 1 << rng.integers(8)
        changed += [bytes(flipped), good[:place]]
    for content in changed:
        path.write_bytes(content)
        with pytest.raises(PngError, match="x_red.png: "):
            read_greyscale(path)
        assert png_problem(path)


@pytest.mark.parametrize("added", [b"\0", b"camera: 7\n" * 3, b"\0" * 5000, chunk(b"IEND"), chunk(b"junk")])
def test_bytes_after_the_end_are_ignored(path, added):
    path.write_bytes(png(picture()) + added)
    assert read_header(path).width == 13
    np.testing.assert_array_equal(read_greyscale(path), picture())
    assert png_problem(path) is None


def test_a_file_that_was_reserved_but_not_copied_is_cut_off(path):
    good = png(picture())
    path.write_bytes(good[:60] + bytes(1 << 20))
    with pytest.raises(PngError, match="cut off"):
        read_header(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (png(picture(), chunk(b"acTL", struct.pack(">II", 2, 0))), "an animated PNG"),
        (png(picture(), size=(0, 13)), "13 x 0 pixels; expected at least one"),
        (
            png(picture(), size=(10_001, 10_000)),
            "10000 x 10001 pixels are 100.01 .* ingest.max_megapixels: 100",
        ),
        (png(picture(), depth=4), "4 bits per pixel; expected 8 or 16"),
        (png(picture(), size=(10, 13)), "damaged, the image cannot be decoded"),
        (png(picture())[:-12] + chunk(b"IDAT", b"x" * 99)[:-4] + b"\0\0\0\0IEND\xaeB`\x82", "damaged, the "),
    ],
)
def test_unsuitable_images_are_refused(path, content, message):
    path.write_bytes(content)
    with pytest.raises(ImageError, match=f"x_red.png: {message}"):
        read_greyscale(path, max_megapixels=100)


@pytest.mark.parametrize("size", [(2**15 + 1, 2**15), (1, 100_001)])
def test_images_too_large_for_opencv_are_refused_by_their_header(path, size):
    path.write_bytes(png(picture(), size=size))
    with pytest.raises(ImageError, match="x_red.png: .* pixels are too many"):
        read_header(path)


def make(kind, path):
    """Put something else than an image where one is expected."""
    if kind == "folder":
        path.mkdir()
    elif kind == "named pipe":
        os.mkfifo(path)
    elif kind == "socket":
        # The name of a socket may have no more than about 100 characters.
        here = Path.cwd()
        os.chdir(path.parent)
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
        os.chdir(here)
    elif kind == "loop of links":
        path.symlink_to(path.name)
    elif kind == "broken link":
        path.symlink_to("nowhere.png")
    elif kind == "long name":
        return path.with_name("x" * 300 + "_red.png")
    elif kind == "file as folder":
        path.write_text("")
        return path / "x_red.png"
    elif kind == "NUL":
        return path.with_name("a\0b_red.png")
    return path


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("folder", "a folder; expected an image file"),
        ("named pipe", "a named pipe; expected an image file"),
        ("socket", "not a regular file; expected an image file"),
        ("loop of links", "cannot be opened: Too many levels of symbolic links"),
        ("broken link", "a link to a file that does not exist"),
        ("long name", "cannot be opened: File name too long"),
        ("file as folder", "cannot be opened: Not a directory"),
        ("NUL", "cannot be opened: .*null"),
        ("nothing", "file is missing"),
    ],
)
def test_what_cannot_be_read_is_named(path, kind, message):
    path = make(kind, path)
    for read in (read_header, read_greyscale):
        with pytest.raises(ImageError, match=f"_red.png'?: {message}") as found:
            read(path)
        assert isinstance(found.value, MissingImageError) == (kind == "nothing")
    assert png_problem(path)


def test_a_file_without_permission_is_named(path):
    path.write_bytes(png(picture()))
    path.chmod(0)
    before = os.geteuid()
    # The administrator may read every file.
    os.seteuid(65534 if before == 0 else before)
    try:
        with pytest.raises(ImageError, match="x_red.png: cannot be opened: Permission denied"):
            read_header(path)
    finally:
        os.seteuid(before)


def test_any_kind_of_png_can_be_checked_for_damage(path):
    cv2.imwrite(str(path), np.zeros((5, 5, 4), np.uint8))
    assert png_problem(path) is None
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)
    assert png_problem(path).startswith("damaged, the checksum of the block at byte ")


def test_too_little_memory_is_not_taken_for_damage(path, monkeypatch):
    def fail(*_):
        error = cv2.error("no memory")
        error.code, error.err = cv2.Error.StsNoMem, "Failed to allocate 117 bytes"
        raise error

    path.write_bytes(png(picture()))
    monkeypatch.setattr(cv2, "imdecode", fail)
    with pytest.raises(MemoryError, match="x_red.png: Failed to allocate"):
        read_greyscale(path)
