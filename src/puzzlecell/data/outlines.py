"""Outlines of the labels of a label image, as polygons along the edges of pixels."""

import cv2
import numpy as np

from puzzlecell.data.label_images import nearest_index, resize_labels

# Directed edges of a pixel, with the pixel on their right: top, right, bottom, left. For each: where the pixel beyond
# it lies, and the corner at which it starts, both as (y, x) from the pixel.
_BEYOND = ((-1, 0), (0, 1), (1, 0), (0, -1))
_START = ((0, 0), (0, 1), (1, 1), (1, 0))


def outlines(labels: np.ndarray, height: int, width: int) -> dict[int, list[np.ndarray]]:
    """Return the outlines of all labels: number -> rings, each (k, 2) float64 of corners (x, y) in raw pixels.

    labels: (M, N) unsigned label image, 0 = background. height, width: size of the original field, to which the label
    image is resized by nearest-neighbour interpolation, as in the submission: (0, 0) is the outer corner of the first
    pixel of the field, (width, height) that of the last. Rings run exactly along the border of the resized label, are
    not closed, and touch themselves nowhere. Outer rings run clockwise as one sees the picture (`ring_area` above 0),
    holes the other way round (below 0). Pixels that only touch at a corner belong to different pieces. Labels of which
    no pixel is left at the original size have no ring.
    """
    found: dict[int, list[np.ndarray]] = {int(number): [] for number in np.unique(labels) if number}
    # Where rows or columns are lost, parts of a ring would fall on each other.
    if height < labels.shape[0] or width < labels.shape[1]:
        labels = resize_labels(labels, height, width)
    rows = np.searchsorted(nearest_index(labels.shape[0], height), np.arange(labels.shape[0] + 1))
    columns = np.searchsorted(nearest_index(labels.shape[1], width), np.arange(labels.shape[1] + 1))
    for number, ring in _traced(labels):
        found[number].append(np.stack([columns[ring[:, 1]], rows[ring[:, 0]]], axis=1).astype(np.float64))
    return found


def ring_area(ring: np.ndarray) -> float:
    """Signed area of a ring (k, 2) of (x, y) with y downwards: above 0 if it runs clockwise (shoelace formula)."""
    x, y = ring[:, 0], ring[:, 1]
    return float(x @ np.roll(y, -1) - np.roll(x, -1) @ y) / 2


def simplified(ring: np.ndarray, tolerance: float) -> np.ndarray:
    """Return a ring with fewer of its corners, so that no corner that is left out is farther away than `tolerance`.

    ring: (k, 2) of (x, y), not closed. By the algorithm of Douglas and Peucker (1973). A ring of which less than a
    triangle would be left is returned as it is.
    """
    found = cv2.approxPolyDP(ring.astype(np.float32).reshape(-1, 1, 2), tolerance, closed=True)
    return found.reshape(-1, 2).astype(np.float64) if len(found) >= 3 else ring


def _traced(labels: np.ndarray) -> list[tuple[int, np.ndarray]]:
    """Number and corners (k, 2) int64 of (y, x) in pixels of the label image, of each ring."""
    height, width = labels.shape
    padded = np.zeros((height + 2, width + 2), labels.dtype)
    padded[1:-1, 1:-1] = labels

    def beyond(y: int, x: int) -> np.ndarray:
        return padded[1 + y : 1 + y + height, 1 + x : 1 + x + width]

    # An edge has the number side * height * width + pixel. The next edge of a label turns right around the same pixel
    # if it can, else it goes straight on, else left.
    size = height * width
    edges, following = [], []
    for side in range(4):
        (y, x), (next_y, next_x) = _BEYOND[side], _BEYOND[(side + 1) % 4]
        pixels = np.flatnonzero((labels != 0) & (beyond(y, x) != labels))
        turns_right = (beyond(next_y, next_x) != labels).ravel()[pixels]
        straight = (beyond(y + next_y, x + next_x) != labels).ravel()[pixels]
        ahead = pixels + next_y * width + next_x
        left = ahead + y * width + x
        edges.append(side * size + pixels)
        following.append(
            np.where(
                turns_right,
                (side + 1) % 4 * size + pixels,
                np.where(straight, side * size + ahead, (side + 3) % 4 * size + left),
            )
        )
    numbers = np.concatenate(edges)
    place = np.searchsorted(numbers, np.concatenate(following)).tolist()
    sides, pixels = numbers // size, numbers % size
    start = np.array(_START)[sides]
    corners = np.stack([pixels // width, pixels % width], axis=1) + start
    return [
        (int(labels.ravel()[pixels[first]]), corners[part])
        for first, ring in _rings(place, sides.tolist())
        for part in _simple(ring, corners, width)
    ]


def _rings(following: list[int], sides: list[int]) -> list[tuple[int, list[int]]]:
    """First edge of each ring, and those of its edges at whose start it turns."""
    seen = bytearray(len(following))
    found = []
    for first in range(len(following)):
        if seen[first]:
            continue
        edge, ring = first, []
        while not seen[edge]:
            seen[edge] = 1
            onwards = following[edge]
            if sides[onwards] != sides[edge]:
                ring.append(onwards)
            edge = onwards
        found.append((first, ring))
    return found


def _simple(ring: list[int], corners: np.ndarray, width: int) -> list[list[int]]:
    """Split a ring at the corners through which it runs more than once."""
    places = (corners[ring, 0] * (width + 1) + corners[ring, 1]).tolist()
    if len(set(places)) == len(places):
        return [ring]
    found: list[list[int]] = []
    path: list[tuple[int, int]] = []
    position: dict[int, int] = {}
    for edge, place in zip(ring, places, strict=True):
        if place in position:
            begin = position[place]
            loop = path[begin:]
            found.append([entry for entry, _ in loop])
            for _, passed in loop[1:]:
                del position[passed]
            # The rest goes on from the corner with the edge that leaves it.
            path[begin:] = [(edge, place)]
        else:
            position[place] = len(path)
            path.append((edge, place))
    return [*found, [entry for entry, _ in path]]
