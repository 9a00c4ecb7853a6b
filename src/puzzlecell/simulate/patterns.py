"""The 19 patterns of the Human Protein Atlas, each drawn in one cell.

Each pattern is a function of a `Stage` (the cell and the field's textures, cropped to the cell's window) and a
random generator. It returns (h, w) float32: 0 where the protein is absent, about 1 where it is brightest.
Patterns that follow a reference channel (microtubules, endoplasmic reticulum) reuse what was drawn there.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from puzzlecell.simulate.cells import Cell
from puzzlecell.simulate.drawing import dots, points_in, strokes, walks
from puzzlecell.simulate.textures import Textures

NUCLEOPLASM, NUCLEAR_MEMBRANE, NUCLEOLI, FIBRILLAR_CENTER, NUCLEAR_SPECKLES, NUCLEAR_BODIES = range(6)
ENDOPLASMIC_RETICULUM, GOLGI, INTERMEDIATE_FILAMENTS, ACTIN, MICROTUBULES, SPINDLE = range(6, 12)
CENTROSOME, PLASMA_MEMBRANE, MITOCHONDRIA, AGGRESOME, CYTOSOL, VESICLES, NEGATIVE = range(12, 19)
PATTERNS = 18
"""Number of visible patterns, 0 to 17; 18 is Negative."""

SEEN_WHILE_DIVIDING = frozenset(
    {ENDOPLASMIC_RETICULUM, CENTROSOME, PLASMA_MEMBRANE, MITOCHONDRIA, AGGRESOME, CYTOSOL, VESICLES}
)
"""Patterns that can occur together with the mitotic spindle; the others need a nucleus or long fibres."""


@dataclass(frozen=True)
class Stage:
    """Inputs for drawing a pattern: a cell, its textures and its reference structures, all in its window."""

    cell: Cell
    textures: Textures
    filaments: np.ndarray
    """(h, w) float32: the microtubules as drawn in the red channel."""
    reticulum: np.ndarray
    """(h, w) float32: the endoplasmic reticulum as drawn in the yellow channel."""


def draw_filaments(cell: Cell, rng: np.random.Generator) -> np.ndarray:
    """Draw the microtubules of the red channel, from the centrosome to the cell's edge: (h, w) float32."""
    if cell.dividing:
        return spindle(cell, rng)
    unit = cell.unit
    layers = []
    for _ in range(3):
        count = 20
        around = rng.uniform(0, 2 * np.pi, count)
        starts = cell.centrosomes[0] + rng.exponential(5 * unit, (count, 1)) * np.stack(
            [np.sin(around), np.cos(around)], axis=1
        )
        paths = walks(
            rng, starts, around + rng.normal(0, 0.5, count), steps=14, length=0.16 * cell.radius, bend=0.22
        )
        layers.append(strokes(cell.body.shape, paths, unit, rng.uniform(0.35, 0.8, count)))
    lines = np.minimum(layers[0] + layers[1] + layers[2], 1.3)
    # The nucleus hides most of what crosses it.
    lines[cell.nucleus_distance < 0] *= 0.3
    return (lines + 0.15 * np.minimum(cell.depth / (4 * unit), 1)) * cell.body


def draw_reticulum(cell: Cell, textures: Textures) -> np.ndarray:
    """Draw the endoplasmic reticulum of the yellow channel, a net that is dense near the nucleus: (h, w) float32."""
    outside = np.maximum(cell.nucleus_distance, 0)
    dense = 0.35 + 0.65 * np.exp(-outside / (0.3 * cell.radius))
    rim = np.minimum(cell.depth / (3 * cell.unit), 1)
    image = dense * rim * (0.3 + 0.8 * textures.net)
    image[cell.nucleus] *= 0.2
    return (image * cell.body).astype(np.float32)


def spindle(cell: Cell, rng: np.random.Generator) -> np.ndarray:
    """Draw the spindle fibres from both poles to the metaphase plate of a dividing cell: (h, w) float32."""
    plate = np.array([np.sin(cell.axis), np.cos(cell.axis)])
    middle = cell.centrosomes.mean(axis=0)
    image = np.zeros(cell.body.shape, np.float32)
    for pole in cell.centrosomes:
        ends = middle + rng.uniform(-0.75, 0.75, (16, 1)) * cell.nucleus_radius * plate
        bow = 0.5 * (ends + pole) + 0.18 * (ends - middle)
        image += 0.5 * strokes(
            cell.body.shape, np.stack([np.tile(pole, (16, 1)), bow, ends], axis=1), 1.6 * cell.unit
        )
        image += dots(cell.body.shape, pole[None], np.array([1.8 * cell.unit]))
    return (np.minimum(image, 1.1) + 0.12) * cell.body


def _coordinates(cell: Cell) -> tuple[np.ndarray, np.ndarray]:
    """Return the row (h, 1) and column (1, w) indices of the cell's window."""
    height, width = cell.body.shape
    rows, columns = np.indices((height, width), sparse=True)
    return rows, columns


def _nucleoplasm(stage: Stage, rng: np.random.Generator) -> np.ndarray:
    cell = stage.cell
    return cell.nucleus * (0.75 + 0.1 * stage.textures.lumps) * (1 - 0.75 * cell.nucleoli)


def _nuclear_membrane(stage: Stage, rng: np.random.Generator) -> np.ndarray:
    cell = stage.cell
    ring = np.exp(-((cell.nucleus_distance / (1.4 * cell.unit)) ** 2)) * cell.body
    return ring * (0.95 + 0.1 * stage.textures.clouds) + 0.12 * cell.nucleus


def _nucleoli(stage: Stage, rng: np.random.Generator) -> np.ndarray:
    cell = stage.cell
    return cell.nucleoli * (0.95 + 0.05 * stage.textures.grain) + 0.12 * cell.nucleus


def _fibrillar_center(stage: Stage, rng: np.random.Generator) -> np.ndarray:
    cell = stage.cell
    spots = [np.zeros((0, 2))]
    rows, columns = _coordinates(cell)
    for y, x in cell.nucleolus_centres:
        own = (cell.nucleoli > 0.6) & (np.hypot(rows - y, columns - x) < 0.4 * cell.nucleus_radius)
        spots.append(points_in(rng, own, int(rng.integers(2, 5)), 3.5 * cell.unit))
    points = np.concatenate(spots)
    return (
        1.5 * dots(cell.body.shape, points, rng.uniform(1.3, 1.7, len(points)) * cell.unit)
        + 0.05 * cell.nucleus
    )


def _nuclear_speckles(stage: Stage, rng: np.random.Generator) -> np.ndarray:
    cell = stage.cell
    blots = np.clip((stage.textures.lumps - 0.55) / 0.35, 0, 1)
    return cell.nucleus * (1 - cell.nucleoli) * (blots + 0.14)


def _nuclear_bodies(stage: Stage, rng: np.random.Generator) -> np.ndarray:
    cell = stage.cell
    room = (cell.nucleus_distance < -2.5 * cell.unit) & (cell.nucleoli == 0) & cell.nucleus
    points = points_in(rng, room if room.any() else cell.nucleus, int(rng.integers(3, 7)), 6 * cell.unit)
    return (
        1.3 * dots(cell.body.shape, points, rng.uniform(1.9, 2.7, len(points)) * cell.unit)
        + 0.1 * cell.nucleus
    )


def _reticulum(stage: Stage, rng: np.random.Generator) -> np.ndarray:
    return 0.95 * stage.reticulum


def _golgi(stage: Stage, rng: np.random.Generator) -> np.ndarray:
    cell = stage.cell
    unit = cell.unit
    rows, columns = _coordinates(cell)
    y, x = cell.centrosomes[0]
    near = np.hypot(rows - y, columns - x) < 0.42 * cell.radius
    place = near & cell.cytoplasm & (cell.nucleus_distance > unit) & (cell.nucleus_distance < 9 * unit)
    starts = points_in(rng, place if place.any() else cell.cytoplasm, int(rng.integers(7, 12)), 2.5 * unit)
    centre = np.array(cell.centre)
    tangent = np.arctan2(*(starts - centre).T) + np.pi / 2 + np.pi * rng.integers(0, 2, len(starts))
    paths = walks(
        rng, starts, tangent + rng.normal(0, 0.5, len(starts)), steps=4, length=1.9 * unit, bend=0.5
    )
    return strokes(cell.body.shape, paths, 1.8 * unit) * cell.cytoplasm + 0.06 * cell.body


def _intermediate_filaments(stage: Stage, rng: np.random.Generator) -> np.ndarray:
    cell = stage.cell
    unit = cell.unit
    place = cell.cytoplasm & (cell.nucleus_distance < 0.45 * cell.radius)
    starts = points_in(rng, place, 34)
    around = np.arctan2(*(starts - np.array(cell.centre)).T) + np.pi / 2
    paths = walks(
        rng, starts, around + rng.normal(0, 0.6, len(starts)), steps=9, length=3.4 * unit, bend=0.65
    )
    lines = strokes(cell.body.shape, paths, unit, rng.uniform(0.5, 1.0, len(paths)))
    fading = np.exp(-np.maximum(cell.nucleus_distance, 0) / (0.4 * cell.radius))
    return (1.5 * lines + 0.15) * fading * np.where(cell.nucleus, 0.3, 1.0) * cell.body


def _actin(stage: Stage, rng: np.random.Generator) -> np.ndarray:
    cell = stage.cell
    unit = cell.unit
    middles = points_in(rng, cell.body, 18, 4 * unit)
    heading = cell.axis + rng.normal(0, 0.06, len(middles))
    half = (
        0.5
        * cell.radius
        * rng.uniform(0.7, 1.7, (len(middles), 1))
        * np.stack([np.sin(heading), np.cos(heading)], axis=1)
    )
    paths = np.stack([middles - half, middles + half], axis=1)
    fibres = strokes(cell.body.shape, paths, unit, rng.uniform(0.5, 1.0, len(paths)))
    cortex = np.exp(-((cell.depth / (2 * unit)) ** 2))
    return (0.95 * fibres + 0.35 * cortex + 0.08) * cell.body


def _microtubules(stage: Stage, rng: np.random.Generator) -> np.ndarray:
    return 1.1 * stage.filaments


def _mitotic_spindle(stage: Stage, rng: np.random.Generator) -> np.ndarray:
    return 1.1 * stage.filaments


def _centrosome(stage: Stage, rng: np.random.Generator) -> np.ndarray:
    cell = stage.cell
    points = cell.centrosomes
    if not cell.dividing:
        turn = rng.uniform(0, 2 * np.pi)
        points = points + rng.uniform(1.8, 2.8) * cell.unit * np.array([[np.sin(turn), np.cos(turn)]]) * [
            [1],
            [-1],
        ]
    around = dots(cell.body.shape, points, np.full(2, 6 * cell.unit))
    return (
        1.5 * dots(cell.body.shape, points, np.full(2, 2.5 * cell.unit)) + 0.35 * around + 0.08
    ) * cell.body


def _plasma_membrane(stage: Stage, rng: np.random.Generator) -> np.ndarray:
    cell = stage.cell
    rim = np.exp(-(((cell.depth - 1) / (1.6 * cell.unit)) ** 2))
    return (rim * (0.95 + 0.12 * stage.textures.clouds) + 0.1) * cell.body


def _mitochondria(stage: Stage, rng: np.random.Generator) -> np.ndarray:
    cell = stage.cell
    unit = cell.unit
    near = cell.cytoplasm & (cell.nucleus_distance < 0.35 * cell.radius) & (cell.depth > 3 * unit)
    far = cell.cytoplasm & (cell.depth > 3 * unit)
    starts = np.concatenate([points_in(rng, near, 20, 3 * unit), points_in(rng, far, 20, 4 * unit)])
    outward = np.arctan2(*(starts - np.array(cell.centre)).T) + rng.normal(0, 0.7, len(starts))
    paths = walks(rng, starts, outward, steps=4, length=2.3 * unit, bend=0.45)
    worms = strokes(cell.body.shape, paths, 2 * unit, rng.uniform(0.6, 1.0, len(starts)))
    return worms * cell.cytoplasm + 0.04 * cell.body


def _aggresome(stage: Stage, rng: np.random.Generator) -> np.ndarray:
    cell = stage.cell
    unit = cell.unit
    place = (
        cell.cytoplasm
        & (cell.nucleus_distance < 8 * unit)
        & (cell.nucleus_distance > 3 * unit)
        & (cell.depth > 5 * unit)
    )
    middle = points_in(rng, place if place.any() else cell.cytoplasm, 1)
    lumps = middle + rng.normal(0, 2 * unit, (6, 2))
    blob = dots(cell.body.shape, lumps, rng.uniform(4.0, 6.5, 6) * unit)
    return (1.15 * cv2.GaussianBlur(blob, (0, 0), 0.8 * unit) + 0.08) * cell.body


def _cytosol(stage: Stage, rng: np.random.Generator) -> np.ndarray:
    cell = stage.cell
    rim = np.minimum(cell.depth / (4 * cell.unit), 1)
    return 0.62 * rim * (1 + 0.08 * stage.textures.grain) * np.where(cell.nucleus, 0.25, 1.0) * cell.body


def _vesicles(stage: Stage, rng: np.random.Generator) -> np.ndarray:
    cell = stage.cell
    place = cell.cytoplasm & (cell.depth > 2 * cell.unit) & (cell.nucleus_distance > cell.unit)
    count = round(rng.uniform(0.011, 0.02) * cell.cytoplasm.sum() / cell.unit**2)
    points = points_in(rng, place, count, 3.5 * cell.unit)
    spots = dots(cell.body.shape, points, rng.uniform(1.0, 1.7, len(points)) * cell.unit)
    return (1.2 * spots + 0.04) * cell.body


_DRAWN: tuple[Callable[[Stage, np.random.Generator], np.ndarray], ...] = (
    _nucleoplasm, _nuclear_membrane, _nucleoli, _fibrillar_center, _nuclear_speckles, _nuclear_bodies,
    _reticulum, _golgi, _intermediate_filaments, _actin, _microtubules, _mitotic_spindle,
    _centrosome, _plasma_membrane, _mitochondria, _aggresome, _cytosol, _vesicles,
)  # fmt: skip


def draw_pattern(pattern: int, stage: Stage, rng: np.random.Generator) -> np.ndarray:
    """Draw pattern 0 to 17 in a cell: (h, w) float32, 0 outside the cell, about 1 where it is brightest."""
    return (_DRAWN[pattern](stage, rng) * stage.cell.body).astype(np.float32)


def blend(drawn: np.ndarray, cell: Cell, difference: float) -> np.ndarray:
    """Return a pattern, (h, w) float32, of which the fraction 1 - `difference` is spread out smoothly in the cell."""
    if difference == 1:
        return drawn
    reach = 0.3 * cell.radius
    # Divided by the blurred body, so that no light is lost where the cell ends.
    inside = cv2.GaussianBlur(cell.body.astype(np.float32), (0, 0), reach)
    spread = cv2.GaussianBlur(drawn, (0, 0), reach) / np.maximum(inside, 1e-3) * cell.body
    return (difference * drawn + (1 - difference) * spread).astype(np.float32)
