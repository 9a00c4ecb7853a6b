"""Simulated fields of view with known cells and known labels of each cell."""
