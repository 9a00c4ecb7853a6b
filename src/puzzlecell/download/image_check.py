"""Whether a downloaded image is whole: it is decoded once, by the reader of the store."""

from pathlib import Path

from puzzlecell.data.image_file import ImageError, read_plane
from puzzlecell.data.image_plane import ImagePlane

MOST_MEGAPIXELS = 125
"""Of an image: ten times those of a field of the atlas. Some bytes can unpack to anything."""


def image_problem(path: Path) -> str | None:
    """Return what is wrong with a PNG, a JPEG or a TIFF, also a `.tif.gz`; None if the store can read it."""
    try:
        read_plane(ImagePlane(str(path)), max_megapixels=MOST_MEGAPIXELS)
    except ImageError as error:
        return str(error).removeprefix(f"{path}: ")
    return None
