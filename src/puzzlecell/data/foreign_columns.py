"""Tables with the probabilities that another program gives cells: their columns, and what planning compares of them.

CSV or Parquet, with `ID`, `cell` and a column per class: `p00`, `p01`, ... or the names of the classes. Imports nothing
heavy, because planning uses this module.
"""

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from puzzlecell.data.raw_files import shard_of
from puzzlecell.data.text_tables import TableError, quoted, read_text_columns, read_text_header
from puzzlecell.errors import UserError
from puzzlecell.regular_file import file_problem
from puzzlecell.runtime.messages import first_few
from puzzlecell.runtime.unchanged_files import kept_while_unchanged

if TYPE_CHECKING:
    import pyarrow as pa

KEYS = ("ID", "cell")
BATCH = 16_384
"""Rows of a Parquet file that are read at a time."""
_MAGIC = b"PAR1"


@dataclass(frozen=True)
class ForeignColumns:
    """Columns of a table. chosen: those of the classes, in their order. ignored: all others, but `ID` and `cell`."""

    chosen: tuple[str, ...]
    ignored: tuple[str, ...]

    @property
    def used(self) -> list[str]:
        """The columns that are read."""
        return [*KEYS, *self.chosen]


def is_parquet(path: str | os.PathLike) -> bool:
    """Whether a file starts as Parquet does; others are taken to be CSV."""
    with Path(path).open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


def foreign_columns(path: str | os.PathLike, classes: Sequence[str]) -> ForeignColumns:
    """Find the columns of a table by its header alone.

    Raises TableError for a file that is missing or neither CSV nor Parquet, for columns that are missing or of another
    type, and for a table of another number of classes.
    """
    problem = file_problem(path, "table")
    if problem:
        raise TableError(f"{path}: {problem}; expected a table with the columns ID, cell and one per class")
    if not is_parquet(path):
        return _matched(path, read_text_header(path, KEYS), classes)
    schema = parquet_schema(path)
    found = _matched(path, schema.names, classes)
    wrong = [text for name in found.used if (text := _type_problem(schema, name))]
    if wrong:
        raise TableError(f"{path}: {first_few(wrong)}")
    return found


def parquet_schema(path: str | os.PathLike) -> "pa.Schema":
    """Schema of a Parquet file; raises TableError if it cannot be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_schema(path)
    except (pa.ArrowException, OSError) as error:
        raise TableError(f"{path}: cannot be read as Parquet: {error}") from error


def _matched(path: str | os.PathLike, names: Sequence[str], classes: Sequence[str]) -> ForeignColumns:
    """Which of the columns are those of the classes."""
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise TableError(f"{path}: columns that occur twice: {first_few(map(quoted, twice))}")
    missing = [name for name in KEYS if name not in names]
    if missing:
        raise TableError(
            f"{path}: column{'s' if len(missing) > 1 else ''} {', '.join(missing)} missing; found "
            f"{first_few(map(quoted, names), 12)}"
        )
    numbered = [f"p{number:02d}" for number in range(len(classes))]
    given = [name for name in names if name[:1] == "p" and name[1:].isdigit()]
    named = [name for name in classes if name in names]
    if given and named:
        raise TableError(
            f"{path}: has both numbered columns ({first_few(given, 3)}) and columns with names of classes "
            f"({first_few(named, 3)}); expected one kind, so that it is clear which counts"
        )
    wanted = numbered if given else list(classes)
    if given and set(given) != set(numbered):
        raise TableError(
            f"{path}: found {len(given)} columns of probabilities, {given[0]} to {given[-1]}; expected those of the "
            f"{len(classes)} classes, p00 to {numbered[-1]}"
        )
    absent = [name for name in wanted if name not in names]
    if absent:
        others = [name for name in names if name not in {*KEYS, *wanted}]
        raise TableError(
            f"{path}: no column for {len(absent)} of the {len(classes)} classes: {first_few(map(quoted, absent))}; "
            f"columns of no class: {first_few(map(quoted, others), 12) or 'none'}; expected p00 to {numbered[-1]}, or "
            "the names of the classes"
        )
    return ForeignColumns(tuple(wanted), tuple(name for name in names if name not in {*KEYS, *wanted}))


def _type_problem(schema: "pa.Schema", name: str) -> str | None:
    from pyarrow import types

    kind = schema.field(name).type
    inner = kind.value_type if types.is_dictionary(kind) else kind
    if name == "ID":
        return (
            None if types.is_string(inner) or types.is_large_string(inner) else f"ID is {kind}, expected text"
        )
    if name == "cell":
        return None if types.is_integer(kind) else f"cell is {kind}, expected whole numbers"
    fine = types.is_floating(kind) or types.is_integer(kind)
    return None if fine else f"{name} is {kind}, expected numbers"


def table_rows_state(path: str | os.PathLike, shard: int, shards: int, classes: Sequence[str]) -> str:
    """Digest of the rows of a table that belong to the fields of a shard, in any order. Never raises."""
    try:
        return _rows_by_shard(path, shards, tuple(classes))[shard]
    except (UserError, OSError, ValueError, TypeError, NotImplementedError):
        # Whatever is wrong with the table, the checks before the first job and the job itself say so.
        return "the table cannot be used"


@kept_while_unchanged
def _rows_by_shard(path: Path, shards: int, classes: tuple[str, ...]) -> list[str]:
    columns = foreign_columns(path, classes)
    rows: list[list[bytes]] = [[] for _ in range(shards)]
    for field_id, row in _rows(path, columns):
        rows[shard_of(field_id, shards)].append(hashlib.blake2b(row, digest_size=16).digest())
    return [hashlib.sha256(b"".join(sorted(found))).hexdigest()[:16] for found in rows]


def _rows(path: Path, columns: ForeignColumns) -> Iterator[tuple[str, bytes]]:
    """ID of each row, and its used values as bytes."""
    if not is_parquet(path):
        _, found = read_text_columns(path, columns.used)
        for row in zip(*(found[name] for name in columns.used), strict=True):
            yield row[0], "\n".join(row).encode(errors="surrogatepass")
        return
    import numpy as np
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(BATCH, columns=columns.used):
            values = np.stack(
                [
                    batch.column(name).to_numpy(zero_copy_only=False).astype(np.float64)
                    for name in columns.chosen
                ],
                axis=1,
            )
            keys = zip(batch.column("ID").to_pylist(), batch.column("cell").to_pylist(), strict=True)
            for (field_id, cell), row in zip(keys, values, strict=True):
                yield str(field_id), f"{field_id}\n{cell}\n".encode(errors="surrogatepass") + row.tobytes()
