"""The ensemble out of fold: what it says of the cells of labelled fields by models that have not seen them."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from puzzlecell.config.ensemble import EnsembleSettings
from puzzlecell.data.tables import class_columns, read_csv, read_parquet, read_parts, write_parquet
from puzzlecell.ensemble.combine import ensemble_cells, mean_table
from puzzlecell.errors import UserError

AnyPath = str | os.PathLike
FOLD = "fold"
"""Column with the fold of a cell's field, as in the table of folds; 0 for a holdout set, which is in none."""


@dataclass(frozen=True)
class OutOfFold:
    """Out-of-fold predictions for the cells of a data set.

    cells: the cell table with the column `fold` (int64). members: for each member of the ensemble in turn, `ID, cell,
    p00 ...` of exactly these cells, in any order. images: `ID, p00 ...` of their fields, the mean over the stages; None
    if no stage predicts whole fields.
    """

    cells: pd.DataFrame
    members: list[pd.DataFrame]
    images: pd.DataFrame | None


def read_out_of_fold(
    cell_tables: Sequence[AnyPath],
    *,
    folds: AnyPath | None,
    dataset: str,
    members: Sequence[Sequence[AnyPath]],
    images: Sequence[Sequence[AnyPath]],
) -> OutOfFold:
    """Read the predictions for a data set by models that have not seen its fields.

    cell_tables: one per shard. folds: the table of folds; None for a data set in no fold. members, images: for each
    member or stage in turn, its tables, which together have all of these fields: one per fold (CSV or Parquet) if it is
    trained on the data set, else one per shard, of the mean over its models. Cells of other data sets are ignored, and
    so are fields in no fold. Raises UserError if no cell is left.
    """
    cells = read_parts(cell_tables, 1)[0]
    if folds is None:
        cells[FOLD] = 0
    else:
        table = read_csv(folds)
        of_field = table[table["dataset"] == dataset].set_index("ID")[FOLD]
        cells = cells[cells["ID"].isin(of_field.index)].reset_index(drop=True)
        cells[FOLD] = of_field.loc[cells["ID"]].to_numpy("int64")
    if cells.empty:
        raise UserError(
            f"{dataset}: none of its fields has cells, so there is nothing to predict out of fold"
        )
    wanted = set(cells["ID"])
    by_stage = [(_tables(paths, wanted, ["ID"]), 1.0) for paths in images]
    return OutOfFold(
        cells,
        [_tables(paths, wanted, ["ID", "cell"]) for paths in members],
        mean_table(by_stage) if by_stage else None,
    )


def write_oof_cells(
    path: AnyPath, predictions: OutOfFold, settings: EnsembleSettings, *, negative: int | None
) -> None:
    """Write the cell table with `fold` and the ensemble's columns `p00 ...` (Parquet).

    negative: index of the class Negative, None if there is none. Raises the errors of `ensemble_cells`.
    """
    members = [
        (table, member.weight) for table, member in zip(predictions.members, settings.members, strict=True)
    ]
    write_parquet(
        path, ensemble_cells(predictions.cells, members, predictions.images, settings, negative=negative)
    )


def grouped(paths: Sequence[AnyPath], counts: Sequence[int]) -> list[list[AnyPath]]:
    """Split a flat list of paths into consecutive groups of these sizes."""
    ends = [sum(counts[: number + 1]) for number in range(len(counts))]
    if (ends[-1] if ends else 0) != len(paths):
        raise ValueError(f"{len(paths)} paths do not make groups of {list(counts)}")
    return [list(paths[end - count : end]) for end, count in zip(ends, counts, strict=True)]


def _tables(paths: Sequence[AnyPath], wanted: set[str], keys: list[str]) -> pd.DataFrame:
    """Keys and probabilities of the wanted fields in several tables."""
    read = [read_csv(path) if os.fspath(path).endswith(".csv") else read_parquet(path) for path in paths]
    joined = pd.concat([table[[*keys, *class_columns(table)]] for table in read], ignore_index=True)
    return joined[joined["ID"].isin(wanted)].reset_index(drop=True)
