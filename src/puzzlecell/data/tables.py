"""Tables that jobs write and read: of class probabilities (columns p00, p01, ...), folds, cells. All have checksums."""

import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from puzzlecell.errors import DamagedFileError, UserError
from puzzlecell.regular_file import file_problem
from puzzlecell.runtime.atomic import written_whole
from puzzlecell.runtime.checksums import (
    EMPTY_MARK,
    check_place,
    check_seal,
    check_text,
    place_in_results,
    sealed,
    written_with_checksum,
)

TEXT_COLUMNS = ("ID", "dataset", "Label", "reason", "what", "content", "channel", "url", "problem")
"""Columns that stay text, whatever they look like."""


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
    """Write a table as Parquet, atomically, with checksums of its pages and of the whole file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    content = pa.Table.from_pandas(table, preserve_index=False)
    # As pandas' own to_parquet, which cannot add metadata; without the attributes, reading would lose them.
    own = {b"PANDAS_ATTRS": json.dumps(table.attrs).encode(), b"checksum": EMPTY_MARK.encode()}
    own[b"place"] = place_in_results(path).encode()
    file = io.BytesIO()
    pq.write_table(
        content.replace_schema_metadata({**(content.schema.metadata or {}), **own}),
        file,
        write_page_checksum=True,
    )
    with written_whole(path) as temporary:
        temporary.write_bytes(sealed(file.getvalue()))


def read_parquet(path: str | os.PathLike, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Read a table written by `write_parquet`, or some columns; raises DamagedFileError if it has changed since."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    problem = file_problem(path)
    if problem:
        raise UserError(f"{path}: {problem}")
    if Path(path).stat().st_size == 0:
        raise DamagedFileError(path, "it is empty")
    # Mapped, because reading the file as a whole would take as long as reading the table.
    with pa.memory_map(os.fspath(path)) as file:
        content = file.read_buffer()
    check_seal(path, content)
    try:
        metadata = pq.read_schema(pa.BufferReader(content)).metadata or {}
        check_place(path, metadata.get(b"place", b"").decode())
        return pd.read_parquet(pa.BufferReader(content), columns=None if columns is None else list(columns))
    except DamagedFileError:
        raise
    except (OSError, ValueError, KeyError) as error:
        raise DamagedFileError(path, f"it cannot be read as Parquet ({error})") from error


def write_csv(path: str | os.PathLike, table: pd.DataFrame, digits: int | None = 6) -> None:
    """Write a table as CSV, atomically, with its checksum; digits: decimal places, None for all that are needed."""
    with written_with_checksum(path) as temporary:
        form = None if digits is None else f"%.{digits}f"
        table.to_csv(temporary, index=False, float_format=form, lineterminator="\n")


def read_csv(path: str | os.PathLike) -> pd.DataFrame:
    """Read a table written by `write_csv`; IDs stay text, whatever they look like.

    Raises DamagedFileError if the table has changed since or has no checksum.
    """
    check_text(path)
    # Without keep_default_na, the fields NA, null and nan would vanish.
    return pd.read_csv(path, dtype=dict.fromkeys(TEXT_COLUMNS, str), keep_default_na=False)


def read_parts(paths: Sequence[str | os.PathLike], tables: int) -> list[pd.DataFrame]:
    """Read several tables stored as Parquet in equally many parts each.

    paths: all parts of the first table, then all parts of the second, and so on.
    """
    parts = len(paths) // tables
    return [
        pd.concat([read_parquet(path) for path in paths[start : start + parts]], ignore_index=True)
        for start in range(0, tables * parts, parts)
    ]
