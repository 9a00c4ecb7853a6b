"""A simulated field of view: cells, their labels and the four channels."""

import zlib
from dataclasses import dataclass, fields

import numpy as np

from puzzlecell.config.simulation import SimulationSettings
from puzzlecell.errors import UserError
from puzzlecell.simulate.camera import photograph
from puzzlecell.simulate.cells import Cell, divide, grow_cells, lay_over
from puzzlecell.simulate.expression import express, well_patterns
from puzzlecell.simulate.patterns import (
    NEGATIVE,
    SPINDLE,
    Stage,
    blend,
    draw_filaments,
    draw_pattern,
    draw_reticulum,
)
from puzzlecell.simulate.staining import cell_levels, dimming, well_factors
from puzzlecell.simulate.textures import Textures, make_textures

RED, GREEN, BLUE, YELLOW = range(4)


@dataclass(frozen=True)
class SimulatedField:
    """A field with its ground truth."""

    id: str
    image: np.ndarray
    """(size, size, 4) uint8 or uint16, depending on `bit_depth`; channels red, green, blue, yellow."""
    cells: np.ndarray
    """(size, size) uint16 label image, 0 = background."""
    nuclei: np.ndarray
    """(size, size) uint16 label image of the nuclei; a nucleus has the number of its cell."""
    cell_labels: list[tuple[int, ...]]
    """Labels of cell 1, cell 2, ...; (18,) for a cell without a pattern."""

    @property
    def labels(self) -> list[int]:
        """Return the labels of the field: the union of its cells' labels, in ascending order."""
        return sorted(set().union(*self.cell_labels))


def field_id(dataset: str, index: int, settings: SimulationSettings) -> str:
    """Return `sim_<dataset>_<well>_<n>`, e.g. `sim_train_B7_1`.

    Wells are counted from A1 along rows of 12; n starts at 1.
    """
    well, place = divmod(index, settings.fields_per_well)
    row, column = divmod(well, 12)
    letters = ""
    row += 1
    while row:
        row, letter = divmod(row - 1, 26)
        letters = chr(ord("A") + letter) + letters
    return f"sim_{dataset}_{letters}{column + 1}_{place + 1}"


def simulate_field(dataset: str, index: int, settings: SimulationSettings, seed: int) -> SimulatedField:
    """Simulate field `index` (from 0) of a data set; the result depends only on these arguments."""
    key = (seed, zlib.crc32(dataset.encode()))
    well = index // settings.fields_per_well
    culture = np.random.default_rng([*key, 3, well])
    stretch = culture.uniform(1.1, 1.7)
    strength = culture.uniform([0.6, 0.7, 0.75, 0.65], [0.95, 1.0, 1.0, 0.95])
    differing = well_factors(settings, np.random.default_rng([*key, 6, well]))
    patterns = well_patterns(well, settings, key)

    rng = np.random.default_rng([*key, 4, index])
    unit = settings.size / 256
    cells = _cells(rng, settings, stretch)
    cell_labels = express(len(cells), patterns, settings, rng)
    cells = [
        divide(cell, rng) if SPINDLE in shown else cell
        for cell, shown in zip(cells, cell_labels, strict=True)
    ]
    dim = dimming(len(cells), settings, np.random.default_rng([*key, 5, index]))
    textures = make_textures(rng, settings.size, unit)
    signal = np.zeros((4, settings.size, settings.size), np.float32)
    label_image, nuclei = np.zeros((2, settings.size, settings.size), np.uint16)
    stained = lay_over(cells, settings.size, settings.overlap * unit) if settings.overlap else cells
    for number, (cell, whole, shown) in enumerate(zip(cells, stained, cell_labels, strict=True), start=1):
        label_image[cell.window][cell.body] = number
        nuclei[cell.window][cell.nucleus] = number
        stain = _stain(whole, shown, textures, settings, rng)
        stain[[RED, YELLOW]] *= dim[number - 1, :, None, None]
        signal[:, *cell.window] += stain
    strength = strength * differing[0]
    image = photograph(signal * strength[:, None, None].astype(np.float32), differing[1], settings, rng)
    return SimulatedField(field_id(dataset, index, settings), image, label_image, nuclei, cell_labels)


def _cells(rng: np.random.Generator, settings: SimulationSettings, stretch: float) -> list[Cell]:
    """Return the cells of a field; place them again if too few are left in view.

    Raises ValueError if 50 attempts do not give the smallest number of cells that the settings allow.
    """
    fewest, most = settings.cells
    wanted = int(rng.integers(fewest, most + 1))
    for _ in range(50):
        cells = grow_cells(
            rng,
            settings.size,
            wanted,
            coverage=settings.coverage,
            smallest=settings.smallest_cell,
            stretch=stretch,
        )
        if len(cells) >= fewest:
            return cells
        wanted = min(wanted + 1, most)
    raise UserError(
        f"simulation: 50 attempts gave no field with at least {fewest} cells; "
        f"lower cells ({fewest} to {most}) or smallest_cell ({settings.smallest_cell}), "
        f"or raise size ({settings.size})"
    )


def _stain(
    cell: Cell,
    shown: tuple[int, ...],
    textures: Textures,
    settings: SimulationSettings,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return the signal of one cell in its window, (4, h, w) float32; patterns peak at about 1."""
    cut = Textures(**{f.name: getattr(textures, f.name)[cell.window] for f in fields(Textures)})
    stage = Stage(cell, cut, draw_filaments(cell, rng), draw_reticulum(cell, cut))
    level = cell_levels(settings, rng).tolist()
    green = (1 + 0.2 * cut.clouds) * (settings.unspecific * rng.uniform(0.5, 1.5)) * cell.body
    for pattern in shown:
        if pattern != NEGATIVE:
            brightness = level[GREEN] * rng.uniform(0.8, 1.1)
            drawn = draw_pattern(pattern, stage, rng)
            green = green + brightness * blend(drawn, cell, settings.class_difference)
    chromatin = (1 + 0.14 * cut.lumps) * (1.0 if cell.dividing else 0.62)
    blue = chromatin * (1 - 0.55 * cell.nucleoli) * cell.nucleus
    return np.stack(
        [level[RED] * stage.filaments, green, level[BLUE] * blue, level[YELLOW] * stage.reticulum],
        dtype=np.float32,
    )
