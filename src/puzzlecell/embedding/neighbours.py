"""Cells that look alike: those with the nearest embeddings."""

import os
from collections.abc import Sequence

import numpy as np
import pandas as pd

from puzzlecell.data.embedding_file import EmbeddingReader
from puzzlecell.errors import UserError
from puzzlecell.runtime.messages import first_few


def nearest_cells(
    paths: Sequence[str | os.PathLike], field_id: str, cell: int, number: int, *, same_field: bool = True
) -> pd.DataFrame:
    """Return the cells of a data set whose embeddings are nearest to that of one cell: `ID, cell, distance`.

    The distance is 1 - the cosine of the angle between two embeddings, float64: 0 for equal directions, up to 2. Rows
    run from the nearest to the farthest; of equally near ones, those earlier in the data set come first. The cell
    itself is left out. Memory does not grow with the data set. paths: embeddings, one file per shard. number: of rows,
    at most. same_field: whether other cells of the same field count. Raises UserError if there is no such cell, or if
    its embedding is zero, and DamagedFileError.
    """
    from sklearn.neighbors import NearestNeighbors

    readers = [EmbeddingReader(path) for path in paths]
    asked = _embedding(readers, field_id, cell)
    best = pd.DataFrame(
        {"ID": pd.array([], dtype=object), "cell": np.empty(0, np.int32), "distance": np.empty(0)}
    )
    for reader in readers:
        left_out = reader.ids == field_id
        if same_field:
            left_out &= reader.cells == cell
        for rows, values in reader.blocks():
            kept = np.flatnonzero(~left_out[rows])
            if not len(kept):
                continue
            # All of a block, because of equally near ones any would be chosen.
            model = NearestNeighbors(n_neighbors=len(kept), metric="cosine", algorithm="brute")
            model.fit(values[kept].astype(np.float64))
            distances, order = (found[0] for found in model.kneighbors(asked[None]))
            places = rows.start + kept[order]
            found = pd.DataFrame(
                {"ID": reader.ids[places], "cell": reader.cells[places], "distance": distances}
            ).iloc[np.argsort(places)]
            joined = pd.concat([best, found], ignore_index=True) if len(best) else found
            best = joined.sort_values("distance", kind="stable").head(number)
    return best.reset_index(drop=True)


def _embedding(readers: Sequence[EmbeddingReader], field_id: str, cell: int) -> np.ndarray:
    """Embedding (D,) float64 of one cell."""
    known: set[int] = set()
    for reader in readers:
        of_field = reader.ids == field_id
        rows = np.flatnonzero(of_field & (reader.cells == cell))
        if len(rows):
            found: np.ndarray = reader.rows(rows)[0].astype(np.float64)
            if not found.any():
                raise UserError(
                    f"cell {cell} of field {field_id}: its embedding is all zeros, so its similarity to other cells is "
                    "undefined"
                )
            return found
        known |= set(reader.cells[of_field].tolist())
    if known:
        raise UserError(
            f"field {field_id} has no cell {cell}; its cells are {first_few(map(str, sorted(known)), 20)}"
        )
    folder = readers[0].path.parent if readers else "no file"
    raise UserError(
        f"{folder}: no embeddings of field {field_id}; check the ID, and whether any cells were found in this field"
    )
