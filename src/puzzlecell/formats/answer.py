"""Reads a table of cells part by part, so that memory does not grow with the number of cells."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from puzzlecell.data.tables import read_parquet
from puzzlecell.errors import DamagedFileError, UserError
from puzzlecell.formats.answer_columns import AnswerColumns, answer_columns
from puzzlecell.regular_file import file_problem
from puzzlecell.runtime.checksums import check_place, check_sealed_file

if TYPE_CHECKING:
    import pyarrow.parquet as pq

BATCH = 16_384
"""Rows that are decoded at a time."""
_STREAMED = {"pre_buffer": False, "buffer_size": 1 << 18}
"""How a file is opened, so that not all of its columns are in memory at once."""


class Answer:
    """The table of cells of a data set, read from its first row to its last; see `opened_answer`."""

    def __init__(self, path: str | os.PathLike, opened: "pq.ParquetFile", classes: int):
        self.path = path
        self.rows = opened.metadata.num_rows
        names = list(opened.schema_arrow.names)
        try:
            self.columns: AnswerColumns = answer_columns(names, classes)
        except ValueError as error:
            raise UserError(f"{path}: {error}; start again to make it") from error
        self._batches = opened.iter_batches(batch_size=BATCH)
        self._left = pd.DataFrame(columns=names)

    def take(self, rows: int) -> pd.DataFrame:
        """Return the next rows, with texts as objects. Raises UserError if there are fewer."""
        parts, found = [self._left], len(self._left)
        while found < rows:
            batch = next(self._batches, None)
            if batch is None:
                raise UserError(
                    f"{self.path}: {rows - found} more cells are expected; start again to make it"
                )
            parts.append(batch.to_pandas())
            found += len(parts[-1])
        # An empty part would change the types of the columns.
        table = pd.concat([part for part in parts if len(part)] or parts[-1:], ignore_index=True)
        self._left = table.iloc[rows:]
        return table.iloc[:rows].reset_index(drop=True)

    def shards(self, cell_tables: Sequence[str | os.PathLike]) -> Iterator[pd.DataFrame]:
        """Yield the rows of each shard. cell_tables: tables of its masks, whose cells and order the answer has.

        Raises UserError if the answer has other cells.
        """
        for path in cell_tables:
            cells = read_parquet(path, ["ID", "cell"])
            part = self.take(len(cells))
            same = part["ID"].to_numpy(object) == cells["ID"].to_numpy(object)
            if not (same & (part["cell"].to_numpy() == cells["cell"].to_numpy())).all():
                raise UserError(f"{self.path}: other cells than in {path}; delete it and start again")
            yield part
        if len(self._left) or next(self._batches, None) is not None:
            raise UserError(f"{self.path}: more cells than in the masks; delete it and start again")

    def values(self, name: str) -> list[str]:
        """Return the distinct texts of a column, sorted."""
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        found: set[str] = set()
        with pq.ParquetFile(self.path, **_STREAMED) as file:
            for batch in file.iter_batches(BATCH, columns=[name]):
                found.update(pc.unique(batch.column(0)).to_pylist())
        return sorted(found)


@contextmanager
def opened_answer(path: str | os.PathLike, classes: int) -> Iterator[Answer]:
    """Open a table of cells and check it against its checksum.

    classes: number of classes that it must have. Raises DamagedFileError if it has changed since it was written, and
    UserError if it has other classes.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    problem = file_problem(path)
    if problem:
        raise UserError(f"{path}: {problem}")
    check_sealed_file(path)
    try:
        with pq.ParquetFile(path, **_STREAMED) as opened:
            check_place(path, (opened.schema_arrow.metadata or {}).get(b"place", b"").decode())
            yield Answer(path, opened, classes)
    except pa.ArrowInvalid as error:
        raise DamagedFileError(path, f"it cannot be read as Parquet ({error})") from error


def most_probable(probabilities: np.ndarray) -> np.ndarray:
    """Index (n,) of the most probable class of each cell, the first of equal ones; -1 where all are 0.

    probabilities: (n, C).
    """
    return np.where(probabilities.any(axis=1), probabilities.argmax(axis=1), -1)
