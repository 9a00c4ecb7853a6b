"""Pixel sizes that TIFFs give, where they are those of a microscope."""

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from puzzlecell.data.image_errors import ImageProblem

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage

UM = {
    "um": 1.0,
    "\u00b5m": 1.0,
    "\u03bcm": 1.0,
    # As ImageJ escapes it.
    "\\u00b5m": 1.0,
    "micron": 1.0,
    "microns": 1.0,
    "micrometer": 1.0,
    "micrometre": 1.0,
    "nm": 1e-3,
    "\u00e5": 1e-4,
    "mm": 1e3,
    "cm": 1e4,
    "m": 1e6,
    "inch": 25_400.0,
    "in": 25_400.0,
}
"""Micrometres per unit."""
LARGEST_UM = 10
"""Resolutions in dots per inch are those of screens and printers: 72 dpi would be 353 um, 2400 dpi 10.6 um."""
UNEVEN = 0.01
"""Largest relative difference of the two sides of a square pixel; metadata are rounded."""


def tiff_pixel_size(tiff: "TiffFile", page: "TiffPage") -> float | None:
    """Return the side of a pixel in micrometres from OME-XML, from ImageJ's metadata or from the resolution tags.

    None if there is none, or none that can be true: without a unit, or coarser than a microscope. Raises
    ImageProblem if the pixels are not square.
    """
    for found in (_of_ome(tiff), _of_imagej(tiff, page), _of_tags(page)):
        if found is not None:
            return _square(*found)
    return None


def _square(x: float, y: float) -> float | None:
    if not (0 < x <= LARGEST_UM and 0 < y <= LARGEST_UM):
        return None
    if abs(x - y) > UNEVEN * max(x, y):
        raise ImageProblem(f"its pixels are {x:.4g} x {y:.4g} um; expected square ones")
    return x


def _of_ome(tiff: "TiffFile") -> tuple[float, float] | None:
    if not tiff.is_ome:
        return None
    try:
        root = ElementTree.fromstring(tiff.ome_metadata or "")
    except ElementTree.ParseError:
        return None
    sizes = set()
    for pixels in root.iter():
        if pixels.tag.rpartition("}")[2] == "Pixels":
            given = pixels.attrib
            x, y = (
                _length(given.get(f"PhysicalSize{axis}"), given.get(f"PhysicalSize{axis}Unit", "um"))
                for axis in "XY"
            )
            sizes.add((x, y) if x and y else None)
    # Several images of different pixel sizes: which one a page belongs to is not known.
    return sizes.pop() if len(sizes) == 1 else None


def _of_imagej(tiff: "TiffFile", page: "TiffPage") -> tuple[float, float] | None:
    if not tiff.is_imagej:
        return None
    unit = UM.get(str((tiff.imagej_metadata or {}).get("unit", "")).strip().lower())
    sides = _resolution(page)
    return (unit / sides[0], unit / sides[1]) if unit and sides else None


def _of_tags(page: "TiffPage") -> tuple[float, float] | None:
    unit = {2: UM["inch"], 3: UM["cm"]}.get(int(page.tags.valueof("ResolutionUnit", 1)))
    sides = _resolution(page)
    return (unit / sides[0], unit / sides[1]) if unit and sides else None


def _resolution(page: "TiffPage") -> tuple[float, float] | None:
    """Pixels per unit along x and y."""
    sides = []
    for name in ("XResolution", "YResolution"):
        value = page.tags.valueof(name)
        if not isinstance(value, tuple) or len(value) != 2 or not (value[0] and value[1]):
            return None
        sides.append(value[0] / value[1])
    return sides[0], sides[1]


def _length(text: str | None, unit: str) -> float | None:
    if text is None or not re.fullmatch(r"[0-9.]+([eE][-+]?[0-9]+)?", text.strip()):
        return None
    scale = UM.get(unit.strip().lower())
    return float(text) * scale if scale else None
