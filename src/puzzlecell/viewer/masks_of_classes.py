"""Sets of classes as bits of numbers."""

import numpy as np

BITS = 31
"""Classes per number."""
UNCERTAIN_BIT = np.uint32(1 << 31)
"""Bit of a cell that is called uncertain, in the first of its numbers."""


def class_masks(shown: np.ndarray) -> np.ndarray:
    """Sets of classes (n, C) bool as bits: (n,) uint32, bit c for class c.

    With more than 31 classes, the numbers of all cells for the classes 0 to 30 are followed by those for the next 31
    classes, and so on: (n * ceil(C / 31),).
    """
    parts = []
    for start in range(0, max(shown.shape[1], 1), BITS):
        part = shown[:, start : start + BITS]
        parts.append((part * (np.uint32(1) << np.arange(part.shape[1], dtype=np.uint32))).sum(axis=1))
    return np.concatenate(parts).astype(np.uint32)
