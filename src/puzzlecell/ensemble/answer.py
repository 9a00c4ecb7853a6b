"""The answer of the pipeline for one data set: the cell table with the ensembled probabilities."""

import os
from collections.abc import Sequence

import pandas as pd

from puzzlecell.config.ensemble import EnsembleSettings
from puzzlecell.data.tables import class_columns, read_parts, write_csv, write_parquet
from puzzlecell.ensemble.combine import ensemble_cells, mean_table


def write_answer(
    path: str | os.PathLike,
    *,
    cell_tables: Sequence[str | os.PathLike],
    member_tables: Sequence[str | os.PathLike],
    image_tables: Sequence[str | os.PathLike],
    settings: EnsembleSettings,
    negative: int | None,
) -> None:
    """Write the cell table with columns `p00 ...` of the ensemble (Parquet).

    cell_tables: one per shard. member_tables: of each ensemble member in turn, one per shard. image_tables:
    probabilities of whole fields, of each stage in turn, one per shard. negative: index of the class Negative, None
    where there is none. Errors as in `ensemble_cells`.
    """
    members = read_parts(member_tables, len(settings.members))
    images = read_parts(image_tables, len(image_tables) // len(cell_tables))
    answer = ensemble_cells(
        read_parts(cell_tables, 1)[0],
        [(table, member.weight) for table, member in zip(members, settings.members, strict=True)],
        mean_table([(table, 1.0) for table in images]),
        settings,
        negative=negative,
    )
    write_parquet(path, answer)


def write_mean(path: str | os.PathLike, tables: Sequence[str | os.PathLike]) -> None:
    """Write the mean of holdout tables of several stages (CSV), rows and other columns as in the first one."""
    read = [pd.read_csv(table, dtype={"ID": str}) for table in tables]
    mean = mean_table([(table, 1.0) for table in read], key=("ID", "cell"))
    first = read[0].copy()
    first[class_columns(mean)] = mean[class_columns(mean)]
    write_csv(path, first)
