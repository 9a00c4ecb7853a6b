"""Predictions of the same cells in several tables: rows in one order, their mean, and the quality of cells."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from puzzlecell.data.tables import class_columns

FLOOR = 1e-7
"""Lower bound on the factors of a product, so that a class ruled out by one member is still ranked by the others."""


def join(values: np.ndarray, weights: np.ndarray, how: str) -> np.ndarray:
    """Weighted arithmetic (`mean`) or geometric (`product`) mean (n, C) of members' values (members, n, C).

    weights: (members,), or (members, C) if they differ between the classes; of sum 1.
    """
    axes = "mc,mnc->nc" if weights.ndim == 2 else "m,mnc->nc"
    if how == "mean":
        return np.einsum(axes, weights, values)
    return np.exp(np.einsum(axes, weights, np.log(np.maximum(values, FLOOR))))


def aligned(
    table: pd.DataFrame, wanted: pd.DataFrame, columns: Sequence[str], keys: list[str], what: str
) -> np.ndarray:
    """Class values (n, C) float64 of a table, with its rows reordered to match the keys in `wanted`.

    what: the table in messages. Raises ValueError if the classes or the keys of the tables differ.
    """
    if class_columns(table) != list(columns):
        raise ValueError(f"one {what} has {len(class_columns(table))} classes, another has {len(columns)}")
    index, target = pd.MultiIndex.from_frame(table[keys]), pd.MultiIndex.from_frame(wanted[keys])
    if not index.is_unique:
        raise ValueError(f"a {what} lists {_shown(index[index.duplicated()][0])} twice")
    place = index.get_indexer(target)
    if (place < 0).any() or len(index) != len(target):
        raise ValueError(
            f"a {what} has {len(index)} rows, but {len(target)} are expected; {(place < 0).sum()} are missing"
            + (f", such as {_shown(target[place < 0][0])}" if (place < 0).any() else "")
            + ": was it computed with other masks?"
        )
    return table[list(columns)].to_numpy(np.float64)[place]


def cell_quality(cell_table: pd.DataFrame, *, border: bool = True, outlier: bool = True) -> np.ndarray:
    """Quality (n,) float64 of cells: border_quality x outlier_quality, or the one that is wanted."""
    quality = np.ones(len(cell_table))
    for name, wanted in (("border_quality", border), ("outlier_quality", outlier)):
        if wanted:
            if name not in cell_table:
                raise ValueError(f"{name} is needed, but the cell table has no such column")
            quality = quality * cell_table[name].to_numpy(np.float64)
    return quality


def _shown(key: tuple) -> str:
    return " cell ".join(map(str, key))
