"""Outlines of the cells and nuclei of a shard, as columns of the chunk `shapes`."""

from collections.abc import Sequence

import numpy as np

from puzzlecell.data.outlines import outlines, simplified

TOLERANCE = 1.0
"""How far an outline may be from the border of the mask, in pixels of the label image: less than one sees."""

Rings = list[np.ndarray]


def field_outlines(labels: np.ndarray, height: int, width: int) -> dict[int, Rings]:
    """Simplified outlines of the labels of a field by number, in pixels of the original field."""
    tolerance = TOLERANCE * max(height / labels.shape[0], width / labels.shape[1])
    return {
        number: [simplified(ring, tolerance) for ring in rings]
        for number, rings in outlines(labels, height, width).items()
    }


def packed(kind: str, rings: Sequence[Rings]) -> dict[str, np.ndarray]:
    """Columns `<kind>_rings`, `<kind>_points`, `<kind>_xy` of the outlines of all cells in turn.

    Rings of cell i are those from rings[i] to rings[i + 1], and points of ring j those from points[j] to points[j + 1].
    Corners are whole pixels: uint16 if they fit, else uint32.
    """
    parts = [ring for of_cell in rings for ring in of_cell]
    corners = np.concatenate(parts) if parts else np.zeros((0, 2))
    number = np.uint16 if corners.max(initial=0) <= np.iinfo(np.uint16).max else np.uint32
    return {
        f"{kind}_rings": _ends([len(of_cell) for of_cell in rings]),
        f"{kind}_points": _ends([len(ring) for ring in parts]),
        f"{kind}_xy": np.round(corners).astype(number),
    }


def _ends(lengths: Sequence[int]) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.uint32)
