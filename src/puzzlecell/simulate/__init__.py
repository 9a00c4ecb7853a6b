"""Simulated fields of view with ground-truth cell masks and per-cell labels."""
