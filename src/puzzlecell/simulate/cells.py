"""Shapes of simulated cells: outlines, nuclei, nucleoli, centrosomes and dividing cells."""

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np

from puzzlecell.simulate.drawing import points_in
from puzzlecell.simulate.textures import smooth_noise


@dataclass(frozen=True)
class Cell:
    """One cell in a window of its field; images are (h, w), coordinates are (y, x) in window pixels."""

    window: tuple[slice, slice]
    """Rows and columns of the field covered by the images below; contains the whole cell."""
    unit: float
    """Length unit for organelles, in pixels: 1/256 of the field's width."""
    radius: float
    """Radius in pixels of a disc with the area of the whole cell, before neighbours and the field's border cut it."""
    centre: tuple[float, float]
    """Centre of the nucleus."""
    nucleus_radius: float
    outline: np.ndarray
    """bool: the whole cell, as far as it lies in the field, before neighbours cut it."""
    body: np.ndarray
    """bool: the visible part of the cell."""
    nucleus: np.ndarray
    """bool: the visible part of the nucleus; the metaphase plate in a dividing cell."""
    depth: np.ndarray
    """float32: distance to the cell's edge in pixels, 0 outside; the field's border does not count as an edge."""
    nucleus_distance: np.ndarray
    """float32: signed distance to the edge of the nucleus in pixels, positive outside, negative inside."""
    nucleoli: np.ndarray
    """float32 in [0, 1]: 1 in the nucleoli."""
    nucleolus_centres: np.ndarray
    """(n, 2) float."""
    centrosomes: np.ndarray
    """(1, 2) float: where the microtubules start; the two poles, (2, 2), in a dividing cell."""
    axis: float
    """Angle in radians of the cell's long axis; of the metaphase plate in a dividing cell."""
    dividing: bool = False

    @property
    def cytoplasm(self) -> np.ndarray:
        """Return the cell without its nucleus, (h, w) bool."""
        return self.body & ~self.nucleus


def distance(mask: np.ndarray) -> np.ndarray:
    """Return the distance in pixels to the nearest pixel outside the mask, (h, w) float32, 0 outside."""
    # The distance is undefined if the mask fills the window; clip it to an upper bound.
    found = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5)
    return np.minimum(found, np.float32(sum(mask.shape)))


def _outline(rng: np.random.Generator, roughness: float) -> np.ndarray:
    """Return the radius at 0 to 360 degrees, (361,) float32, mean about 1: a circle with a few random waves."""
    angle = np.deg2rad(np.arange(361))
    waves = np.arange(2, 7)
    height = roughness * rng.standard_normal(waves.size) / waves
    phase = rng.uniform(0, 2 * np.pi, waves.size)
    radius = 1 + (height[:, None] * np.cos(waves[:, None] * angle + phase[:, None])).sum(axis=0)
    return np.maximum(radius, 0.4).astype(np.float32)


def _relative_radius(
    y: np.ndarray, x: np.ndarray, outline: np.ndarray, *, radius: float, stretch: float, axis: float
) -> np.ndarray:
    """Return the distance from (0, 0) divided by the outline's radius in that direction: below 1 inside."""
    along = x * (math.cos(axis) / stretch) + y * (math.sin(axis) / stretch)
    across = y * (math.cos(axis) * stretch) - x * (math.sin(axis) * stretch)
    length, angle = cv2.cartToPolar(along, across, angleInDegrees=True)
    return length / (radius * outline[angle.astype(np.int32)])


def _place(rng: np.random.Generator, size: int, count: int, radius: float) -> np.ndarray:
    """Return centres (count, 2) spread over the field; each is the candidate farthest from the previous ones."""
    inset = 0.22 * radius
    centres = rng.uniform(inset, size - inset, (1, 2))
    while len(centres) < count:
        candidates = rng.uniform(inset, size - inset, (24, 2))
        apart = np.linalg.norm(candidates[:, None] - centres[None], axis=2).min(axis=1)
        border = np.minimum(candidates, size - candidates).min(axis=1)
        # Candidates near the border have fewer neighbours and would be chosen too often.
        centres = np.vstack([centres, candidates[np.argmax(np.minimum(apart, 2.2 * border + 0.5 * radius))]])
    return centres


def _part_around(mask: np.ndarray, seed: np.ndarray) -> np.ndarray:
    """Return the connected component of the mask that covers most of the seed, (h, w) bool."""
    _, parts = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
    shares = np.bincount(parts[seed & mask], minlength=1)
    return parts == shares.argmax() if shares.any() else np.zeros_like(mask)


def _nucleoli(rng: np.random.Generator, inside: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Draw the nucleoli of a nucleus of `radius` pixels; return their image and centres.

    inside: distance to the edge of the nucleus.
    """
    wanted = radius * rng.uniform(0.24, 0.34)
    room = inside > 0.9 * wanted
    centres = points_in(
        rng, room if room.any() else inside >= inside.max(), int(rng.integers(2, 4)), 2.4 * wanted
    )
    canvas = np.zeros(inside.shape, np.uint8)
    for y, x in centres:
        axes = wanted * rng.uniform(0.8, 1.1, 2)
        box = ((float(x), float(y)), (2 * float(axes[0]), 2 * float(axes[1])), float(rng.uniform(0, 180)))
        cv2.ellipse(canvas, box, 255, -1, cv2.LINE_AA)
    return canvas.astype(np.float32) / 255 * (inside > 0), centres


def grow_cells(
    rng: np.random.Generator, size: int, count: int, *, coverage: float, smallest: float, stretch: float
) -> list[Cell]:
    """Draw up to `count` cells in a field of `size` pixels.

    Each cell is a stretched disc with a wavy outline. A pixel claimed by several cells goes to the one in which
    it lies deepest, so neighbours touch. Cells that are mostly out of view are dropped.

    Args:
        coverage: total area of the cells, before they cut each other, divided by the area of the field.
        smallest: smallest visible fraction of a whole cell's area.
        stretch: mean ratio of the cells' long axis to their short axis.
    """
    radius = size * math.sqrt(coverage / (math.pi * count))
    warp = [0.05 * radius * smooth_noise(rng, size, 0.13 * radius) for _ in range(2)]
    depth = np.full((size, size), 1.0, np.float32)
    owner = np.full((size, size), -1, np.int32)
    sketches = []
    for number, centre in enumerate(_place(rng, size, count, radius)):
        sketch, relative = _sketch(rng, size, centre, radius=radius, stretch=stretch, warp=warp)
        wins = relative < depth[sketch.window]
        depth[sketch.window][wins] = relative[wins]
        owner[sketch.window][wins] = number
        sketches.append(sketch)
    cells = []
    for number, sketch in enumerate(sketches):
        cell = _finish(rng, sketch, owner[sketch.window] == number, size / 256)
        in_view = cell.body.sum() / (np.pi * radius**2)
        nucleus_in_view = cell.nucleus.sum() / (np.pi * cell.nucleus_radius**2)
        if in_view >= smallest and nucleus_in_view >= 0.5:
            cells.append(cell)
    return cells


@dataclass(frozen=True)
class _Sketch:
    """A cell before it is cut by its neighbours; see Cell."""

    window: tuple[slice, slice]
    radius: float
    centre: tuple[float, float]
    nucleus_radius: float
    axis: float
    outline: np.ndarray
    nucleus: np.ndarray


def _sketch(
    rng: np.random.Generator,
    size: int,
    centre: np.ndarray,
    *,
    radius: float,
    stretch: float,
    warp: list[np.ndarray],
) -> tuple[_Sketch, np.ndarray]:
    """Return a random cell around `centre` and the relative radius in its window: below 1 inside the outline."""
    radius = radius * rng.uniform(0.85, 1.15)
    stretch = math.sqrt(1 + (stretch - 1) * rng.uniform(0.3, 1.7))
    axis = rng.uniform(0, np.pi)
    reach = 1.35 * radius * stretch
    vertical, horizontal = (slice(max(0, int(c - reach)), min(size, int(c + reach) + 1)) for c in centre)
    window = (vertical, horizontal)
    rows, columns = (np.float32(grid) for grid in np.mgrid[window])
    y, x = centre.tolist()
    down, right = rows - y + warp[0][window], columns - x + warp[1][window]
    relative = _relative_radius(down, right, _outline(rng, 0.22), radius=radius, stretch=stretch, axis=axis)

    y, x = (centre + rng.normal(0, 0.06 * radius, 2)).tolist()
    nucleus_radius = radius * rng.uniform(0.4, 0.48)
    tilt = axis + rng.normal(0, 0.3)
    nucleus = (
        _relative_radius(
            rows - y, columns - x, _outline(rng, 0.07), radius=nucleus_radius, stretch=stretch**0.6, axis=tilt
        )
        < 1
    )
    in_window = (y - vertical.start, x - horizontal.start)
    sketch = _Sketch(window, radius, in_window, nucleus_radius, axis, outline=relative < 1, nucleus=nucleus)
    return sketch, relative


def _finish(rng: np.random.Generator, sketch: _Sketch, ground: np.ndarray, unit: float) -> Cell:
    """Return the cell with its organelles, on the pixels `ground`, (h, w) bool, left to it by its neighbours."""
    body = _part_around(ground, sketch.nucleus)
    depth = distance(body)
    nucleus = sketch.nucleus & (depth > 3 * unit)
    inside = distance(nucleus)
    apart = distance(~nucleus) - inside
    nucleoli, nucleolus_centres = _nucleoli(rng, inside, sketch.nucleus_radius)
    beside = (apart > 2.5 * unit) & (apart < 6 * unit) & (depth > 5 * unit)
    return Cell(
        window=sketch.window,
        unit=unit,
        radius=sketch.radius,
        centre=sketch.centre,
        nucleus_radius=sketch.nucleus_radius,
        outline=sketch.outline,
        body=body,
        nucleus=nucleus,
        depth=depth,
        nucleus_distance=apart,
        nucleoli=nucleoli,
        nucleolus_centres=nucleolus_centres,
        centrosomes=points_in(rng, beside if beside.any() else body & ~nucleus, 1),
        axis=sketch.axis,
    )


def divide(cell: Cell, rng: np.random.Generator) -> Cell:
    """Return the same cell in metaphase: round, chromosomes in a plate between two poles, no nucleoli."""
    rows, columns = np.indices(cell.body.shape, dtype=np.float32)
    centre = np.array(cell.centre)
    down, right = rows - cell.centre[0], columns - cell.centre[1]
    body = cell.body & (np.hypot(down, right) < rng.uniform(0.78, 0.88) * cell.radius)
    axis = rng.uniform(0, np.pi)
    along = right * math.cos(axis) + down * math.sin(axis)
    across = down * math.cos(axis) - right * math.sin(axis)
    half_length, half_width = cell.nucleus_radius * rng.uniform([0.85, 0.26], [1.0, 0.34])
    body = _part_around(body, body & (np.hypot(along, across) < half_length))
    depth = distance(body)
    nucleus = ((along / half_length) ** 4 + (across / half_width) ** 4 < 1) & (depth > 0)
    normal = np.array([np.cos(axis), -np.sin(axis)])
    reach = cell.nucleus_radius * rng.uniform(0.95, 1.1)
    return replace(
        cell,
        body=body,
        nucleus=nucleus,
        depth=depth,
        nucleus_distance=distance(~nucleus) - distance(nucleus),
        nucleoli=np.zeros_like(depth),
        nucleolus_centres=np.zeros((0, 2)),
        centrosomes=np.stack([centre + reach * normal, centre - reach * normal]),
        axis=axis,
        dividing=True,
    )


def lay_over(cells: list[Cell], size: int, overlap: float) -> list[Cell]:
    """Return the cells with bodies that go on under their neighbours, for drawing their stain.

    Nuclei and organelles stay where they are. A dividing cell is rounded up and goes on nowhere.

    Args:
        size: width and height of the field in pixels.
        overlap: how far a body goes on, in pixels; never beyond the whole cell's outline.
    """
    taken = np.zeros((size, size), bool)
    for cell in cells:
        taken[cell.window] |= cell.body
    laid = []
    for cell in cells:
        near = distance(~cell.body) <= overlap
        body = cell.body | (cell.outline & near & taken[cell.window])
        body = _part_around(body, cell.body)
        laid.append(cell if cell.dividing else replace(cell, body=body, depth=distance(body)))
    return laid
