"""What is in an image file: its size, its channels and their names, and its pixel size."""

from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree import ElementTree

import cv2
import tifffile

from puzzlecell.data.image_file import ImageError, read_header
from puzzlecell.data.image_plane import ImagePlane


@dataclass(frozen=True)
class ImageFacts:
    """Facts of one file.

    channels: number of channels, 1 for a greyscale image. pages: whether they are pages of a TIFF, else channels of an
    image. names: of the channels, if the metadata tell. height, width: in pixels. depth: in words, such as `16 bit`.
    pixel_size_um: None if the metadata do not tell.
    """

    channels: int = 1
    pages: bool = False
    names: tuple[str, ...] = ()
    height: int = 0
    width: int = 0
    depth: str = ""
    pixel_size_um: float | None = None


def image_facts(path: Path) -> ImageFacts:
    """Look at a PNG, JPEG or TIFF. Raises ImageError for a file that cannot be read, such as a stack of planes."""
    facts = _tiff_facts(path) if path.name.lower().endswith((".tif", ".tiff")) else _picture_facts(path)
    header = read_header(plane(path, facts, 0))
    depth = f"{header.bit_depth} bit{' float' if header.kind == 'float' else ''}"
    return replace(
        facts, height=header.height, width=header.width, depth=depth, pixel_size_um=header.pixel_size_um
    )


def plane(path: Path, facts: ImageFacts, channel: int) -> ImagePlane:
    """Place of a channel of a file with these facts."""
    if facts.channels == 1:
        return ImagePlane(str(path))
    return ImagePlane(str(path), page=channel) if facts.pages else ImagePlane(str(path), channel=channel)


def _tiff_facts(path: Path) -> ImageFacts:
    try:
        with tifffile.TiffFile(path) as file:
            series = file.series[0]
            sizes = dict(zip(series.axes, series.shape, strict=True))
            names = _ome_names(file.ome_metadata) or _imagej_names(file.imagej_metadata)
            pages = len(file.pages)
    except (tifffile.TiffFileError, OSError, ValueError, IndexError) as error:
        raise ImageError(f"{path}: cannot be read as TIFF: {error}") from error
    channels = sizes.get("C", 1) * sizes.get("S", 1)
    plain = next((size for axis, size in sizes.items() if axis in "QI" and size > 1), 1)
    # Pages that no metadata explain are counted as they lie in the file.
    by_page = channels == 1 and plain > 1
    return ImageFacts(plain if by_page else channels, by_page and pages > 1, names)


def _picture_facts(path: Path) -> ImageFacts:
    """The colours of a PNG or JPEG; a file that OpenCV cannot decode counts as one channel."""
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    return ImageFacts(1 if image is None or image.ndim == 2 else image.shape[2])


def _ome_names(metadata: str | None) -> tuple[str, ...]:
    if not metadata:
        return ()
    try:
        root = ElementTree.fromstring(metadata)
    except ElementTree.ParseError:
        return ()
    image = next((child for child in root.iter() if child.tag.endswith("}Pixels")), None)
    found = [] if image is None else [child for child in image if child.tag.endswith("}Channel")]
    names = [child.get("Name") or child.get("Fluor") or "" for child in found]
    return tuple(names) if all(names) else ()


def _imagej_names(metadata: dict | None) -> tuple[str, ...]:
    labels = (metadata or {}).get("Labels")
    return tuple(map(str, labels)) if isinstance(labels, (list, tuple)) else ()
