"""Simulated fields of view with known cells and known labels of each cell."""

from puzzlecell.simulate.dataset import simulate_dataset
from puzzlecell.simulate.field import SimulatedField, simulate_field

__all__ = ["SimulatedField", "simulate_dataset", "simulate_field"]
