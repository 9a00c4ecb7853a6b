"""How strongly wells and cells are stained."""

import numpy as np

from puzzlecell.config.simulation import SimulationSettings


def well_factors(settings: SimulationSettings, rng: np.random.Generator) -> np.ndarray:
    """Return the factors on the staining and on the background of a well, (2, 4); all 1 without `well_spread`."""
    return np.exp(settings.well_spread * rng.standard_normal((2, 4)).clip(-2, 2))


def dimming(cells: int, settings: SimulationSettings, rng: np.random.Generator) -> np.ndarray:
    """Return the factors on red and on yellow of each cell, (n, 2) float32; 1 for all cells that are not dim."""
    dim = rng.random(cells) < settings.dim_cells
    factors = settings.dimmest ** rng.random((cells, 2))
    return np.where(dim[:, None], factors, 1).astype(np.float32)


def cell_levels(settings: SimulationSettings, rng: np.random.Generator) -> np.ndarray:
    """Return the factors on the four channels of one cell, (4,)."""
    return np.exp(rng.normal(0, settings.intensity_spread, 4)).clip(0.4, 2.0)
