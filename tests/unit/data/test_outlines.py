"""Outlines of label images."""

import cv2
import numpy as np
import pytest

from puzzlecell.data.label_images import resize_labels
from puzzlecell.data.outlines import outlines, ring_area, simplified

DRAWN = {
    "one pixel": ["....", ".1..", "...."],
    "whole picture": ["11", "11"],
    "at the border": ["11..", "1...", "...1"],
    "hole": [".....", ".111.", ".1.1.", ".111.", "....."],
    "cell in the hole": ["1111", "1221", "1111"],
    "pieces that touch at a corner": ["1.", ".1"],
    "hole that touches the outside at a corner": ["1111", "1.11", "11.1", "111."],
    "two labels side by side": ["1122", "1122", ".333"],
}


def drawn(name: str) -> np.ndarray:
    return np.array([[0 if mark == "." else int(mark) for mark in row] for row in DRAWN[name]], np.uint16)


def filled(rings: list[np.ndarray], height: int, width: int) -> np.ndarray:
    """Pixels whose centre lies in an odd number of rings, by crossings of a ray to the left."""
    y, x = np.mgrid[:height, :width] + 0.5
    inside = np.zeros((height, width), bool)
    for ring in rings:
        for (x0, y0), (x1, y1) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
            if x0 == x1:
                inside ^= (min(y0, y1) < y) & (y < max(y0, y1)) & (x0 < x)
    return inside


def test_outline_of_a_hand_drawn_label():
    """Clockwise from a corner, only corners, the hole the other way round."""
    rings = outlines(drawn("hole"), 5, 5)[1]
    assert sorted(map(ring_area, rings)) == [-1, 9]
    outer, hole = sorted(rings, key=ring_area, reverse=True)
    assert {tuple(corner) for corner in outer} == {(1, 1), (4, 1), (4, 4), (1, 4)}
    assert {tuple(corner) for corner in hole} == {(2, 2), (3, 2), (3, 3), (2, 3)}


@pytest.mark.parametrize("name", DRAWN)
@pytest.mark.parametrize("size", [None, (9, 13), (30, 30), (2, 3)])
def test_filled_outlines_are_the_resized_label(name, size):
    labels = drawn(name)
    height, width = size or labels.shape
    found, resized = outlines(labels, height, width), resize_labels(labels, height, width)
    assert set(found) == set(np.unique(labels)) - {0}
    for number, rings in found.items():
        np.testing.assert_array_equal(filled(rings, height, width), resized == number)
        assert sum(map(ring_area, rings)) == (resized == number).sum()
        assert all(len(np.unique(ring, axis=0)) == len(ring) for ring in rings)


@pytest.mark.parametrize(
    ("name", "areas"),
    [
        ("pieces that touch at a corner", [1, 1]),
        ("hole that touches the outside at a corner", [-1, -1, 15]),
        ("cell in the hole", [-2, 12]),
    ],
)
def test_pieces_and_holes_are_rings_of_their_own(name, areas):
    height, width = drawn(name).shape
    assert sorted(map(ring_area, outlines(drawn(name), height, width)[1])) == areas


def test_outlines_of_random_labels_fill_them():
    labels = np.random.default_rng(5).integers(0, 4, (23, 17)).astype(np.uint16)
    for number, rings in outlines(labels, 40, 31).items():
        np.testing.assert_array_equal(filled(rings, 40, 31), resize_labels(labels, 40, 31) == number)


def test_no_labels():
    assert outlines(np.zeros((4, 4), np.uint16), 4, 4) == {}


def test_simplified_ring_stays_near():
    """A disc needs few points; none of its corners is farther away than the tolerance. A pixel stays whole."""
    disc = cv2.circle(np.zeros((99, 99), np.uint8), (49, 49), 40, 1, -1)
    ring = outlines(disc, 99, 99)[1][0]
    found = simplified(ring, 1.0)
    assert len(found) < len(ring) / 4
    distances = [
        abs(cv2.pointPolygonTest(found.astype(np.float32), tuple(map(float, corner)), True))
        for corner in ring
    ]
    assert max(distances) <= 1.0
    assert len(simplified(outlines(drawn("one pixel"), 3, 4)[1][0], 5.0)) == 4
