"""Fields composed of the user's own single cells, with the class of every cell known.

The classes of a field are those of its cells. Each field shows one to three kinds of cells; a kind is a set of classes
that some cell of the folder has. As in drawn fields, cells of the negative class, where the folder has any, are found
in negative wells and in fields with one kind (see `expression`).
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from puzzlecell.config.simulation import SimulationSettings
from puzzlecell.errors import UserError
from puzzlecell.simulate.camera import photograph
from puzzlecell.simulate.cell_folder import CellImage
from puzzlecell.simulate.cut_cell import cut_cell, turned
from puzzlecell.simulate.expression import well_patterns
from puzzlecell.simulate.field import RED, YELLOW, SimulatedField, field_id
from puzzlecell.simulate.staining import cell_levels, dimming, well_factors

COVERED = 0.04
"""Largest fraction of a cell that lies under others."""
PLACES = 12
"""Places at which a cell is tried before another one is taken."""
OTHERS = 5
"""Cells of a kind that are tried before the field stays with one cell less."""


@dataclass(frozen=True)
class Kinds:
    """Cells by kind. shown: each kind's cells; negative: cells of the negative class, none if there are none."""

    shown: tuple[tuple[CellImage, ...], ...]
    negative: tuple[CellImage, ...]


def kinds_of(cells: Sequence[CellImage], settings: SimulationSettings, negative: int | None) -> Kinds:
    """Sort the cells of a data set by kind.

    negative: index of the negative class, or None. Raises UserError if the settings ask for negative cells and there
    are none, or if there are no others.
    """
    kinds: dict[tuple[int, ...], list[CellImage]] = {}
    for cell in cells:
        kinds.setdefault(cell.classes, []).append(cell)
    without = tuple(kinds.pop((negative,), [])) if negative is not None else ()
    asked = [key for key in ("negative_fields", "not_expressing") if key in settings.model_fields_set]
    if asked and not without:
        raise UserError(
            f"{settings.cells_from}: no cell is of the negative class, but {asked[0]} asks for such cells; remove "
            f"{asked[0]}, or add cells to cells.csv"
        )
    if not kinds:
        raise UserError(
            f"{settings.cells_from}: all cells are of the negative class; expected others as well"
        )
    return Kinds(tuple(tuple(kinds[kind]) for kind in sorted(kinds)), without)


def compose_field(
    dataset: str, index: int, settings: SimulationSettings, seed: int, *, kinds: Kinds
) -> SimulatedField:
    """Compose field `index` (from 0) of a data set; the result depends only on the arguments.

    The label image of nuclei is empty: nothing says where they are. Raises UserError if the cells do not find room,
    and FieldError or CellFolderError for images of cells that cannot be used.
    """
    key = (seed, zlib.crc32(dataset.encode()))
    well = index // settings.fields_per_well
    differing = well_factors(settings, np.random.default_rng([*key, 6, well]))
    chosen = settings if kinds.negative else settings.model_copy(update={"negative_fields": 0.0})
    shown = well_patterns(well, chosen, key, count=len(kinds.shown), together=lambda one, other: True)
    rng = np.random.default_rng([*key, 7, index])
    signal, cells, classes = _filled(kinds, shown, settings, rng)
    dim = np.ones((len(classes) + 1, 2), np.float32)
    dim[1:] = dimming(len(classes), settings, np.random.default_rng([*key, 5, index]))
    for channel, factors in ((RED, dim[:, 0]), (YELLOW, dim[:, 1])):
        signal[channel] *= factors[cells]
    image = photograph(signal * differing[0, :, None, None].astype(np.float32), differing[1], settings, rng)
    return SimulatedField(field_id(dataset, index, settings), image, cells, np.zeros_like(cells), classes)


def _filled(
    kinds: Kinds, shown: Sequence[int], settings: SimulationSettings, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, list[tuple[int, ...]]]:
    """Return signal (4, H, W) float32, label image (H, W) uint16 and the classes of each cell of a field."""
    fewest, most = settings.cells
    for _ in range(50):
        signal = np.zeros((settings.size, settings.size, 4), np.float32)
        labels = np.zeros((settings.size, settings.size), np.uint16)
        classes: list[tuple[int, ...]] = []
        for pool in _pools(kinds, shown, int(rng.integers(fewest, most + 1)), settings, rng):
            for _ in range(OTHERS):
                cell = pool[rng.integers(len(pool))]
                cut = cut_cell(cell, settings.cell_scale, settings.cell_edge)
                if _put(turned(*cut, rng), (signal, labels), len(classes) + 1, settings, rng):
                    classes.append(cell.classes)
                    break
        if len(classes) >= fewest:
            return np.ascontiguousarray(np.moveaxis(signal, -1, 0)), labels, classes
    raise UserError(
        f"simulation: 50 attempts gave no field with room for at least {fewest} cells of {settings.cells_from}; lower "
        f"cells ({fewest} to {most}) or cell_scale ({settings.cell_scale:g}), or raise size ({settings.size})"
    )


def _pools(
    kinds: Kinds, shown: Sequence[int], count: int, settings: SimulationSettings, rng: np.random.Generator
) -> list[tuple[CellImage, ...]]:
    """Return the cells from which each cell of a field is drawn; each kind that the field shows has a turn."""
    if not shown:
        return [kinds.negative] * count
    absent = 0
    if len(shown) == 1 and kinds.negative:
        absent = min(int(rng.uniform(*settings.not_expressing) * count + rng.random()), count // 2)
    further = rng.choice(shown, max(0, count - absent - len(shown))).tolist()
    pools = [kinds.shown[kind] for kind in [*shown, *further]][: count - absent] + [kinds.negative] * absent
    return [pools[place] for place in rng.permutation(count)]


def _put(
    cell: tuple[np.ndarray, np.ndarray],
    field: tuple[np.ndarray, np.ndarray],
    number: int,
    settings: SimulationSettings,
    rng: np.random.Generator,
) -> bool:
    """Put a cell (signal and body) into a field (signal and labels), below its neighbours, where these cover little.

    Returns whether there is room for it.
    """
    (cut, body), (signal, labels) = cell, field
    height, width = body.shape
    if max(height, width) > settings.size:
        return False
    levels = cell_levels(settings, rng).astype(np.float32)
    for _ in range(PLACES):
        top, left = (int(rng.integers(0, settings.size - side + 1)) for side in (height, width))
        window = slice(top, top + height), slice(left, left + width)
        if (labels[window][body] > 0).mean() > COVERED:
            continue
        new = body & (labels[window] == 0)
        labels[window][new] = number
        signal[window][new] = (cut * levels)[new]
        return True
    return False
