"""Polygons with holes from the rings of an outline."""

from collections.abc import Sequence

import cv2
import numpy as np

from puzzlecell.data.outlines import ring_area

Polygon = list[np.ndarray]
"""The outer ring, then those of holes; each (k, 2) float64 of (x, y), not closed."""


def polygons(rings: Sequence[np.ndarray]) -> list[Polygon]:
    """Sort the rings of a label (`data.outlines`) into polygons, each outer ring with the holes in it."""
    outer = [ring for ring in rings if ring_area(ring) > 0]
    found: list[Polygon] = [[ring] for ring in outer]
    for hole in rings:
        if ring_area(hole) < 0:
            # A label may lie within the hole of another piece of itself: the smallest ring around a hole is its own.
            around = [place for place, ring in enumerate(outer) if _inside(_point_in(hole), ring)]
            found[min(around, key=lambda place: ring_area(outer[place]))].append(hole)
    return found


def _point_in(hole: np.ndarray) -> tuple[float, float]:
    """A point in the pixel at the top left corner of a hole, which is part of it."""
    x, y = hole[np.lexsort((hole[:, 0], hole[:, 1]))[0]]
    return float(x) + 0.5, float(y) + 0.5


def _inside(point: tuple[float, float], ring: np.ndarray) -> bool:
    return cv2.pointPolygonTest(ring.astype(np.float32).reshape(-1, 1, 2), point, measureDist=False) > 0
