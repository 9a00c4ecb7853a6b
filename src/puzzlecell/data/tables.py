"""Tables of class probabilities: one row per cell or field, columns p00, p01, ..."""

import os
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from puzzlecell.runtime.atomic import written_whole


def probability_columns(classes: int) -> list[str]:
    """Names of the probability columns of all tables: p00, p01, ..."""
    return [f"p{number:02d}" for number in range(classes)]


def class_columns(table: pd.DataFrame) -> list[str]:
    """Probability columns of a table, p00 ... in order. Raises ValueError if there are none or if one is missing."""
    found = [name for name in table.columns if name[:1] == "p" and name[1:].isdigit()]
    expected = probability_columns(len(found))
    if not found or set(found) != set(expected):
        raise ValueError(f"expected columns p00, p01, ... without gaps, found {', '.join(table.columns)}")
    return expected


def probability_table(keys: Mapping[str, Sequence | np.ndarray], values: np.ndarray) -> pd.DataFrame:
    """Build a table of the key columns and `p00 ...` float32 from values (n, C)."""
    table = pd.DataFrame(values.astype(np.float32), columns=probability_columns(values.shape[1]))
    for place, (name, column) in enumerate(keys.items()):
        table.insert(place, name, pd.array(column, dtype=object) if name == "ID" else column)
    return table


def write_parquet(path: str | os.PathLike, table: pd.DataFrame) -> None:
    """Write a table as Parquet, atomically."""
    with written_whole(path) as temporary:
        table.to_parquet(temporary, index=False)


def write_csv(path: str | os.PathLike, table: pd.DataFrame, digits: int = 6) -> None:
    """Write a table as CSV with `digits` decimal places, atomically."""
    with written_whole(path) as temporary:
        table.to_csv(temporary, index=False, float_format=f"%.{digits}f", lineterminator="\n")


def read_parts(paths: Sequence[str | os.PathLike], tables: int) -> list[pd.DataFrame]:
    """Read several tables stored as Parquet in equally many parts each.

    paths: all parts of the first table, then all parts of the second, and so on.
    """
    parts = len(paths) // tables
    return [
        pd.concat([pd.read_parquet(path) for path in paths[start : start + parts]], ignore_index=True)
        for start in range(0, tables * parts, parts)
    ]
