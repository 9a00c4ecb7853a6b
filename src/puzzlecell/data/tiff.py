"""TIFF and OME-TIFF, also compressed with gzip: headers and pixels.

TIFF has no checksums of its own, and tifffile fills what a file lacks with zeros. So the place of all data is checked
with the header, and strips and tiles are decoded here one by one: each has to be there, and whole.
"""

import gzip
import io
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from puzzlecell.data.colour import single_channel
from puzzlecell.data.file_bytes import GZIP_SIGNATURE, TIFF_SIGNATURES, first_bytes, whole_content
from puzzlecell.data.image_errors import ImageError, ImageProblem
from puzzlecell.data.image_header import MOST_PIXELS, Header, check_size
from puzzlecell.data.image_plane import ImagePlane
from puzzlecell.data.jpeg import DATA_MISSING, jpeg_layout, with_more_data
from puzzlecell.data.tiff_chain import check_chain
from puzzlecell.data.tiff_page import Chosen, choose_page, is_colour
from puzzlecell.data.tiff_pixel_size import tiff_pixel_size
from puzzlecell.data.tiff_values import raw_values, type_of

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage

JPEG, PALETTE, WHITE_IS_ZERO = 7, 3, 0
COMPRESSIONS = {1, 5, JPEG, 8, 32773, 32946, 34925, 50000}
"""None, LZW, JPEG, deflate (two numbers), PackBits, LZMA, Zstandard."""
MOST_SAMPLES = 64
BYTES_PER_PIXEL = 64
"""Of an unpacked `.tif.gz`: four channels of 16 bytes each would be that many."""
COLOUR_NOTE = "a colour TIFF, of which the one channel in use was taken"
PALETTE_NOTE = "a TIFF with a palette, of whose colours the one channel in use was taken"


def tiff_header(plane: ImagePlane, *, max_megapixels: float | None = None) -> Header:
    """Read the header of a page of a TIFF; raises ImageError naming the file. Of a `.tif.gz` everything is unpacked."""
    with _opened(plane, max_megapixels) as (tiff, size):
        return _header(tiff, size, choose_page(tiff, plane), plane, max_megapixels)


def read_tiff(plane: ImagePlane, *, max_megapixels: float | None = None) -> np.ndarray:
    """Decode a page of a TIFF, or one of its channels: (H, W) uint8, uint16 or float32.

    Raises ImageError naming the file: not clear which page, cut off, damaged, values that do not fit (see
    `raw_values`), or several channels of a colour image in use. Damage that leaves data that
    can be decoded cannot be noticed.
    """
    with _opened(plane, max_megapixels) as (tiff, size):
        chosen = choose_page(tiff, plane)
        _header(tiff, size, chosen, plane, max_megapixels)
        page = chosen.page
        samples = _samples(page, chosen.sample)
        if page.photometric == PALETTE:
            samples = _looked_up(page, samples)
        elif samples.shape[2] == 1:
            return raw_values(samples[..., 0], page.bitspersample)
        return np.ascontiguousarray(single_channel(samples, lossy=page.compression == JPEG))


@contextmanager
def _opened(plane: ImagePlane, max_megapixels: float | None) -> Iterator[tuple["TiffFile", int]]:
    """Open a TIFF; yield it with its size in bytes. All that tifffile raises becomes an ImageError."""
    import tifffile

    path = plane.path
    packed = first_bytes(path, 2) == GZIP_SIGNATURE
    try:
        with io.BytesIO(_unpacked(path, max_megapixels)) if packed else open(path, "rb") as file:  # noqa: PTH123
            check_chain(file)
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            # Other files that OME-XML names are planes of their own.
            with tifffile.TiffFile(file, _multifile=False) as tiff:
                yield tiff, size
    except (ImageError, MemoryError):
        raise
    except ImageProblem as error:
        raise ImageError(f"{plane}: {error}") from error
    # tifffile checks little, so what a damaged file leads to may be any of a dozen exceptions.
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ImageError(
            f"{plane}: damaged, the TIFF cannot be read: {reason:.200}; copy the file again"
        ) from error


def _unpacked(path: str, max_megapixels: float | None) -> bytes:
    """Unpack a `.tif.gz`, up to as many bytes as a field of the largest accepted size could have."""
    most = int(min(MOST_PIXELS, (max_megapixels or MOST_PIXELS) * 1e6)) * BYTES_PER_PIXEL
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(whole_content(path))) as file:
            content = bytearray()
            while len(content) <= most and (block := file.read(1 << 20)):
                content += block
    except (EOFError, OSError, zlib.error) as error:
        raise ImageError(f"{path}: damaged, gzip cannot unpack it: {error}; copy the file again") from error
    if len(content) > most:
        raise ImageError(f"{path}: unpacks to more than {most / 1e6:.0f} MB; expected a single TIFF")
    if bytes(content[:4]) not in TIFF_SIGNATURES:
        raise ImageError(f"{path}: packed with gzip, but not a TIFF (it starts with {bytes(content[:8])!r})")
    return bytes(content)


def _header(
    tiff: "TiffFile", size: int, chosen: Chosen, plane: ImagePlane, max_megapixels: float | None
) -> Header:
    page = chosen.page
    height, width = page.imagelength, page.imagewidth
    check_size(str(plane), height, width, max_megapixels)
    if page.imagedepth != 1:
        raise ImageError(f"{plane}: holds a volume of {page.imagedepth} planes; expected a single image")
    if page.compression not in COMPRESSIONS:
        name = getattr(page.compression, "name", page.compression)
        raise ImageError(
            f"{plane}: compressed with {name}; expected none, LZW, deflate, Zstandard, LZMA, PackBits or JPEG"
        )
    if page.photometric == WHITE_IS_ZERO:
        raise ImageError(f"{plane}: its brightest pixels are 0 (MinIsWhite); invert it, so that 0 is black")
    kind, bits, note = type_of(page.dtype, page.bitspersample)
    _check_segments(page, size)
    if is_colour(page) and chosen.sample is None:
        if page.dtype not in (np.dtype(np.uint8), np.dtype(np.uint16)) or bits not in (8, 16):
            raise ImageError(
                f"{plane}: a colour TIFF of {page.dtype}; expected 8 or 16 bits, or a channel's number"
            )
        note = COLOUR_NOTE
    if page.photometric == PALETTE:
        bits, note = 8, PALETTE_NOTE
    return Header(height, width, bits, kind, tiff_pixel_size(tiff, page), note)


def _check_segments(page: "TiffPage", size: int) -> None:
    """Raise ImageProblem unless all strips or tiles of a page are inside the file and of a size that can be right."""
    if page.samplesperpixel > MOST_SAMPLES:
        raise ImageProblem(f"{page.samplesperpixel} channels; expected at most {MOST_SAMPLES}")
    if page.is_tiled and page.tilewidth * page.tilelength > MOST_PIXELS // 16:
        raise ImageProblem(f"damaged, tiles of {page.tilewidth} x {page.tilelength} pixels")
    expected = int(np.prod(page.chunked))
    offsets, counts = np.asarray(page.dataoffsets), np.asarray(page.databytecounts)
    kind = "tiles" if page.is_tiled else "strips"
    if len(offsets) < expected or len(counts) < expected:
        raise ImageProblem(f"damaged, {min(len(offsets), len(counts))} of {expected} {kind} are listed")
    if (offsets[:expected] <= 0).any() or (counts[:expected] <= 0).any():
        raise ImageProblem(f"damaged, some of its {kind} are empty; tifffile would fill them with zeros")
    end = int((offsets[:expected].astype(object) + counts[:expected].astype(object)).max())
    if end > size:
        raise ImageProblem(
            f"cut off, its {kind} end at byte {end}, but the file at {size}; copy the file again"
        )


def _samples(page: "TiffPage", sample: int | None) -> np.ndarray:
    """Decode a page, or one sample of it: (H, W, S), strip by strip or tile by tile."""
    separate, _, height, width, together = page.shaped
    segments = int(np.prod(page.chunked))
    first, last = 0, segments
    if separate > 1 and sample is not None:
        first, last = (segments // separate * number for number in (sample, sample + 1))
    planes = separate if sample is None else 1
    image: np.ndarray | None = None
    for index in range(first, last):
        part, (plane, _, top, left, _) = _segment(page, index)
        if sample is not None:
            plane = 0
            part = part[..., [sample]] if together > 1 else part
        if image is None:
            image = np.zeros((planes, height, width, part.shape[-1]), part.dtype)
        part = part[0, : height - top, : width - left]
        image[plane, top : top + part.shape[0], left : left + part.shape[1]] = part
    if image is None:
        raise ImageProblem("damaged, there are no pixels in the page")
    return np.moveaxis(image, 0, -2).reshape(height, width, -1) if planes > 1 else image[0]


def _segment(page: "TiffPage", index: int) -> tuple[np.ndarray, tuple[int, ...]]:
    """Decode a strip or tile: (1, h, w, S), with its place in the page (plane, depth, y, x, 0)."""
    count = page.databytecounts[index]
    file = page.parent.filehandle
    file.seek(page.dataoffsets[index])
    content = file.read(count)
    if len(content) != count:
        raise ImageProblem("cut off while it was read; start again")
    decode = page.decode
    if page.compression != JPEG:
        found, place, shape = decode(content, index)
    else:
        tables = {"jpegtables": page.jpegtables, "jpegheader": None}
        layout = jpeg_layout(content)
        found, place, shape = decode(content[: layout.length], index, **tables)
        longer = decode(with_more_data(content, layout), index, **tables)[0]
        if found is None or longer is None or not np.array_equal(found, longer):
            raise ImageProblem(f"{DATA_MISSING}; copy the file again")
    part = np.asarray(found)
    # Tiles at the border may end with the image; elsewhere a part must have its full size.
    rows, columns = page.imagelength - place[2], page.imagewidth - place[3]
    if part.shape[1] < min(shape[1], rows) or part.shape[2] < min(shape[2], columns):
        raise ImageProblem("damaged, a strip or tile is smaller than it should be; copy the file again")
    return part, place


def _looked_up(page: "TiffPage", samples: np.ndarray) -> np.ndarray:
    """Replace the numbers of palette colours by the colours: (H, W, 1) -> (H, W, 3) uint8."""
    palette = page.colormap
    if palette is None or palette.ndim != 2 or samples.dtype != np.uint8 or samples.max() >= palette.shape[1]:
        raise ImageProblem("damaged, its palette does not have all colours")
    return (palette >> 8).astype(np.uint8).T[samples[..., 0]]
