"""The cells of a field as ImageJ regions of interest: a zip of `.roi` files, which the ROI manager of Fiji opens.

The format is that of ImageJ's `RoiDecoder` (https://imagej.net/ij/source/ij/io/RoiDecoder.java.html): numbers are
big-endian, a header of 64 bytes comes first, then coordinates, then a second header that says where the name is.
"""

import io
import struct
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from puzzlecell.formats.answer import most_probable
from puzzlecell.formats.answer_columns import AnswerColumns
from puzzlecell.formats.class_colours import Rgb
from puzzlecell.formats.field_files import FieldCells
from puzzlecell.formats.polygons import Polygon

_VERSION = 228
_RECTANGLE, _TRACED = 1, 8
_MOVE, _LINE, _CLOSE = 0.0, 1.0, 4.0
_HEADER, _SECOND = 64, 64
_EPOCH = (1980, 1, 1, 0, 0, 0)
_LARGEST = 60_000
"""Largest whole coordinate: of two bytes, above which ImageJ reads negative numbers."""


@dataclass(frozen=True)
class ImageJWriter:
    """Makes the zip of a field; see `export_fields`.

    Regions are called `<cell>_cell` and `<cell>_nucleus`; those of cells have the colour of their most probable class.
    """

    classes: Sequence[str]
    colours: dict[str, Rgb]

    def __call__(self, field: FieldCells, columns: AnswerColumns) -> bytes:
        """Return the zip file, the same bytes for the same field."""
        top = most_probable(field.cells[list(columns.probabilities)].to_numpy())
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for number, index in zip(field.cells["cell"].tolist(), top.tolist(), strict=True):
                colour = None if index < 0 else self.colours[self.classes[index]]
                for what, parts in (("cell", field.outlines), ("nucleus", field.nuclei)):
                    if number in parts:
                        name = f"{number:05d}_{what}"
                        content = roi(parts[number], name, colour if what == "cell" else None)
                        archive.writestr(zipfile.ZipInfo(f"{name}.roi", _EPOCH), content)
        return file.getvalue()


def roi(parts: Sequence[Polygon], name: str, colour: Rgb | None = None) -> bytes:
    """Return the content of a `.roi` file.

    A single ring becomes a traced region, whose coordinates are whole as the corners of pixels are; a region with holes
    or of several pieces a composite one. colour: of its outline.
    """
    corners = np.concatenate([ring for polygon in parts for ring in polygon])
    left, top = corners.min(axis=0).astype(int).tolist()
    right, bottom = corners.max(axis=0).astype(int).tolist()
    simple = len(parts) == 1 and len(parts[0]) == 1 and max(right, bottom, len(corners)) <= _LARGEST
    if simple:
        body, path_length = (corners - (left, top)).T.astype(">u2").tobytes(), 0
    else:
        path = _path(parts)
        body, path_length = path.astype(">f4").tobytes(), len(path)
    second = _HEADER + len(body)
    header = bytearray(_HEADER)
    struct.pack_into(">4sHBx", header, 0, b"Iout", _VERSION, _TRACED if simple else _RECTANGLE)
    box = [min(edge, _LARGEST) for edge in (top, left, bottom, right)]
    struct.pack_into(">5H", header, 8, *box, len(corners) if simple else 0)
    struct.pack_into(">i", header, 36, path_length)
    if colour is not None:
        struct.pack_into(">4B", header, 40, 255, *colour)
    struct.pack_into(">i", header, 60, second)
    text = name.encode("utf-16-be")
    further = bytearray(_SECOND)
    struct.pack_into(">2i", further, 16, second + _SECOND, len(text) // 2)
    return bytes(header) + body + bytes(further) + text


def _path(parts: Sequence[Polygon]) -> np.ndarray:
    """Segments of a composite region: moves, lines and ends of rings, as numbers."""
    found: list[float] = []
    for ring in (ring for polygon in parts for ring in polygon):
        for place, (x, y) in enumerate(ring.tolist()):
            found += [_LINE if place else _MOVE, x, y]
        found.append(_CLOSE)
    return np.array(found)
