"""Reads the probabilities that another program gives the cells of a shard, and checks each row."""

import logging
import os
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from puzzlecell.data.foreign_columns import (
    BATCH,
    KEYS,
    ForeignColumns,
    foreign_columns,
    is_parquet,
    parquet_schema,
)
from puzzlecell.data.raw_files import shard_of
from puzzlecell.data.tables import probability_table, read_parquet, write_parquet
from puzzlecell.data.text_tables import TableError, listed, quoted, read_text_columns
from puzzlecell.runtime.messages import first_few

AnyPath = str | os.PathLike

log = logging.getLogger(__name__)


def take_shard(
    output: AnyPath,
    *,
    table: AnyPath,
    cell_table: AnyPath,
    classes: Sequence[str],
    shard: int,
    shards: int,
) -> None:
    """Write the rows of a table that belong to a shard, as `foreign_table`, and name the columns that are ignored."""
    columns = foreign_columns(table, classes)
    if columns.ignored:
        log.info("%s: columns that are not used: %s", table, ", ".join(columns.ignored))
    cells = read_parquet(cell_table, list(KEYS))
    write_parquet(output, foreign_table(table, columns, cells, shard=shard, shards=shards))


def foreign_table(
    path: AnyPath, columns: ForeignColumns, cells: pd.DataFrame, *, shard: int, shards: int
) -> pd.DataFrame:
    """Return `ID, cell, p00 ...` of the cells of a shard, in the order of `cells` (`ID, cell`).

    Only rows whose field belongs to the shard are read. Raises TableError listing rows that are no cell of this run or
    are given twice, values that are no probabilities, and cells without a row.
    """
    found, word = _rows(path, columns, shard, shards)
    problems = [*_value_problems(path, found, columns, word), *_row_problems(path, found, cells, word)]
    if problems:
        raise TableError("\n".join(problems))
    known = pd.MultiIndex.from_frame(found[list(KEYS)])
    place = known.get_indexer(pd.MultiIndex.from_frame(cells[list(KEYS)]))
    values = found[list(columns.chosen)].to_numpy(np.float64)[place].reshape(len(cells), len(columns.chosen))
    return probability_table({"ID": cells["ID"].to_numpy(object), "cell": cells["cell"].to_numpy()}, values)


def _rows(path: AnyPath, columns: ForeignColumns, shard: int, shards: int) -> tuple[pd.DataFrame, str]:
    """The used columns of the rows of a shard, with the numbers of rows as index, and what these are called.

    Numbers are float64, NaN where they cannot be read; a column `text of <name>` has what stood there instead.
    """
    if is_parquet(path):
        return _parquet_rows(path, columns, shard, shards), "row"
    lines, texts = read_text_columns(
        path, columns.used, only=("ID", lambda field_id: shard_of(field_id, shards) == shard)
    )
    table = pd.DataFrame({"ID": pd.array(texts["ID"], dtype=object)}, index=pd.Index(lines, dtype="int64"))
    numbers = {
        name: pd.Series([_number(text) for text in texts[name]], table.index) for name in columns.used[1:]
    }
    shown = {
        f"text of {name}": pd.Series(texts[name], table.index, dtype=object) for name in columns.used[1:]
    }
    return pd.concat([table, pd.DataFrame(numbers | shown, table.index)], axis=1), "line"


def _parquet_rows(path: AnyPath, columns: ForeignColumns, shard: int, shards: int) -> pd.DataFrame:
    import pyarrow as pa
    import pyarrow.parquet as pq

    parquet_schema(path)
    parts, start = [], 1
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(BATCH, columns=columns.used):
                # Columns may have been the index of a pandas table, and would be again.
                part = batch.to_pandas(ignore_metadata=True)
                part.index = pd.RangeIndex(start, start + len(part))
                start += len(part)
                names = part["ID"].astype(object)
                unnamed = part.index[names.isna()]
                if len(unnamed):
                    raise TableError(f"{path}: row {unnamed[0]} has no ID")
                kept = np.array([shard_of(field_id, shards) == shard for field_id in names], bool)
                numbers = {name: part.loc[kept, name].astype(np.float64) for name in columns.used[1:]}
                parts.append(pd.DataFrame({"ID": names[kept], **numbers}))
    except (pa.ArrowException, OSError) as error:
        raise TableError(f"{path}: cannot be read as Parquet: {error}") from error
    empty = pd.DataFrame(
        {"ID": pd.array([], dtype=object), **{name: np.empty(0) for name in columns.used[1:]}}
    )
    return pd.concat(parts) if any(map(len, parts)) else empty


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return np.nan


def _value_problems(path: AnyPath, found: pd.DataFrame, columns: ForeignColumns, word: str) -> Iterator[str]:
    """Values that are no numbers of cells and no probabilities."""

    def problems(name: str, good: np.ndarray, expected: str) -> Iterator[str]:
        for row in np.flatnonzero(~good):
            entry = found.iloc[row]
            text = entry.get(f"text of {name}")
            shown = quoted(text) if text is not None else f"{entry[name]:g}"
            place = f"{path}: {word} {found.index[row]}: field {quoted(entry['ID'])}"
            yield f"{place}: {name} is {shown}; expected {expected}"

    cell = found["cell"].to_numpy(np.float64)
    yield from listed(
        list(problems("cell", (cell == np.floor(cell)) & (cell >= 1), "a whole number from 1")), path
    )
    wrong: list[str] = []
    for name in columns.chosen:
        values = found[name].to_numpy(np.float64)
        wrong += problems(name, (values >= 0) & (values <= 1), "a number from 0 to 1")
    yield from listed(wrong, path)


def _row_problems(path: AnyPath, found: pd.DataFrame, cells: pd.DataFrame, word: str) -> Iterator[str]:
    """Rows that are no cell of the shard or are given twice, and cells without a row."""
    keys = list(zip(found["ID"].tolist(), found["cell"].tolist(), strict=True))
    known = dict.fromkeys(zip(cells["ID"].tolist(), cells["cell"].tolist(), strict=True))
    fields = set(cells["ID"].tolist())
    first: dict[tuple[str, float], int] = {}
    unknown, twice = [], []
    for line, key in zip(found.index.tolist(), keys, strict=True):
        shown = f"{path}: {word} {line}: field {quoted(key[0])}"
        if key[0] not in fields:
            unknown.append(
                f"{shown} has no cells in this run: either the ID is not in the data set, or no cell was found in it"
            )
        elif key not in known and key[1] == np.floor(key[1]):
            unknown.append(
                f"{shown} has no cell {key[1]:g} in this run; was the table made with other masks?"
            )
        if key in first:
            twice.append(f"{shown}, cell {key[1]:g} is given twice, first in {word} {first[key]}")
        first.setdefault(key, line)
    yield from listed(unknown, path)
    yield from listed(twice, path)
    missing = [f"{field_id} cell {cell}" for field_id, cell in known if (field_id, cell) not in first]
    if missing:
        yield (
            f"{path}: no row for {len(missing)} of {len(known)} cells of these fields: {first_few(missing, 5)}; "
            "expected a row for each cell of the masks"
        )
