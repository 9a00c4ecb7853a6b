"""Points, spots and lines: the primitives of the cell patterns."""

import cv2
import numpy as np


def points_in(rng: np.random.Generator, mask: np.ndarray, count: int, apart: float = 0.0) -> np.ndarray:
    """Return up to `count` random points (n, 2) in the mask, at least `apart` pixels from each other."""
    places = np.flatnonzero(mask)
    if not places.size or count < 1:
        return np.zeros((0, 2))
    tries = count if apart == 0 else 4 * count
    rows, columns = np.divmod(places[rng.integers(0, places.size, tries)], mask.shape[1])
    points = np.column_stack([rows, columns]) + rng.uniform(-0.5, 0.5, (tries, 2))
    if apart == 0:
        return points
    rows, columns = points.T
    close = (rows[:, None] - rows) ** 2 + (columns[:, None] - columns) ** 2 < apart**2
    kept: list[int] = []
    free = np.ones(tries, bool)
    while free.any() and len(kept) < count:
        kept.append(int(free.argmax()))
        free &= ~close[kept[-1]]
    return points[kept]


def strokes(
    shape: tuple[int, int], paths: np.ndarray, width: float, brightness: np.ndarray | None = None
) -> np.ndarray:
    """Draw anti-aliased lines along `paths`, (n, points, 2) as (y, x): (h, w) float32 up to 1."""
    canvas = np.zeros(shape, np.uint8)
    points = np.round(paths[..., ::-1] * 16).astype(np.int32)
    thickness = max(1, round(width))
    if brightness is None:
        cv2.polylines(canvas, list(points), False, 255, thickness, cv2.LINE_AA, 4)
    else:
        for path, level in zip(points, brightness, strict=True):
            cv2.polylines(canvas, [path], False, int(255 * level), thickness, cv2.LINE_AA, 4)
    return canvas.astype(np.float32) / 255


def dots(shape: tuple[int, int], points: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Draw round spots with soft edges at sub-pixel positions (n, 2): (h, w) float32 up to 1."""
    image = np.zeros(shape, np.float32)
    if not len(points):
        return image
    reach = int(np.ceil(1.6 * radii.max()))
    near = np.arange(-reach, reach + 1)
    corner = np.round(points).astype(int)
    rows, columns = corner[:, :1] + near, corner[:, 1:] + near
    away = (rows - points[:, :1])[:, :, None] ** 2 + (columns - points[:, 1:])[:, None, :] ** 2
    spots = np.exp(-((away / radii[:, None, None] ** 2) ** 2))
    rows, columns = np.broadcast_arrays(rows[:, :, None], columns[:, None, :])
    within = (rows >= 0) & (rows < shape[0]) & (columns >= 0) & (columns < shape[1])
    np.maximum.at(image, (rows[within], columns[within]), spots[within].astype(np.float32))
    return image


def walks(
    rng: np.random.Generator,
    starts: np.ndarray,
    headings: np.ndarray,
    *,
    steps: int,
    length: float,
    bend: float,
) -> np.ndarray:
    """Return paths whose heading changes by about `bend` radians per step: (n, steps + 1, 2)."""
    turns = headings[:, None] + np.cumsum(rng.normal(0, bend, (len(starts), steps)), axis=1)
    moves = length * np.stack([np.sin(turns), np.cos(turns)], axis=2)
    return np.concatenate([starts[:, None], starts[:, None] + np.cumsum(moves, axis=1)], axis=1)
