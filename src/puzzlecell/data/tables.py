"""Tables of class probabilities: a row a cell or a field, columns p00, p01, ..."""

import os
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from puzzlecell.data.labels import probability_columns
from puzzlecell.runtime.atomic import written_whole


def probability_table(keys: Mapping[str, Sequence], values: np.ndarray) -> pd.DataFrame:
    """A table of the key columns and `p00 ...` float32 with values (n, C)."""
    table = pd.DataFrame(values.astype(np.float32), columns=probability_columns(values.shape[1]))
    for place, (name, column) in enumerate(keys.items()):
        table.insert(place, name, pd.array(column, dtype=object) if name == "ID" else column)
    return table


def write_table(path: str | os.PathLike, table: pd.DataFrame) -> None:
    """Write a table as parquet, whole."""
    with written_whole(path) as temporary:
        table.to_parquet(temporary, index=False)


def class_columns(table: pd.DataFrame) -> list[str]:
    """The class columns of a table, p00 ... in order. Raises ValueError where there is none or one is
    missing.
    """
    found = [name for name in table.columns if name[:1] == "p" and name[1:].isdigit()]
    expected = probability_columns(len(found))
    if not found or set(found) != set(expected):
        raise ValueError(f"expected columns p00, p01, ... without gaps, found {', '.join(table.columns)}")
    return expected
