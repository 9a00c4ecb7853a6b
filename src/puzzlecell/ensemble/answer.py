"""Final predictions for one data set: the cell table with the ensembled probabilities."""

import os
from collections.abc import Sequence

from puzzlecell.config.ensemble import EnsembleSettings
from puzzlecell.data.tables import class_columns, read_csv, read_parts, write_csv, write_parquet
from puzzlecell.data.unlike import join_distances
from puzzlecell.ensemble.combine import ensemble_cells, mean_table


def write_answer(
    path: str | os.PathLike,
    *,
    cell_tables: Sequence[str | os.PathLike],
    member_tables: Sequence[str | os.PathLike],
    image_tables: Sequence[str | os.PathLike],
    unlike_cells: Sequence[str | os.PathLike] = (),
    unlike_fields: Sequence[str | os.PathLike] = (),
    settings: EnsembleSettings,
    negative: int | None,
) -> None:
    """Write the cell table with the ensemble's columns `p00 ...` (Parquet).

    cell_tables: one per shard. member_tables: one per shard, for each ensemble member in turn. image_tables:
    probabilities of whole fields, one per shard, for each stage in turn. unlike_cells, unlike_fields: distances of
    cells and of fields from the training fields, one table per shard; if given, they are two more columns of the
    answer. negative: index of the class Negative, None if there is none. Raises the errors of `ensemble_cells` and
    `join_distances`.
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
    if unlike_cells:
        answer = join_distances(answer, unlike_cells, unlike_fields)
    write_parquet(path, answer)


def write_mean(path: str | os.PathLike, tables: Sequence[str | os.PathLike]) -> None:
    """Write the mean of the holdout tables of several stages (CSV); rows and other columns are those of the first."""
    read = [read_csv(table) for table in tables]
    mean = mean_table([(table, 1.0) for table in read], key=("ID", "cell"))
    first = read[0].copy()
    first[class_columns(mean)] = mean[class_columns(mean)]
    write_csv(path, first)
