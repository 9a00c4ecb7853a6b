"""Final predictions for one data set: the cell table with the ensembled probabilities."""

import os
from collections.abc import Callable, Mapping, Sequence

import pandas as pd

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
    metadata: Mapping[str, Sequence[str]] | None = None,
    calls: Callable[[pd.DataFrame], pd.DataFrame] | None = None,
    classes: Sequence[str] | None = None,
) -> None:
    """Write the cell table with the ensemble's columns `p00 ...` and the metadata of the fields (Parquet).

    cell_tables: one per shard. member_tables: one per shard, for each ensemble member in turn. image_tables:
    probabilities of whole fields, one per shard, for each stage in turn; none if no member predicts fields.
    unlike_cells, unlike_fields: distances of cells and of fields from the training fields, one table per shard; if
    given, they are two more columns of the answer. negative: index of the class Negative, None if there is none.
    metadata: columns of texts, with the IDs of the fields as `ID`. calls: adds calibrated probabilities and calls to
    the table. classes: names of the classes, for the metadata of the file
    (`pandas.read_parquet(path).attrs["classes"]`). Raises the errors of `ensemble_cells` and `join_distances`.
    """
    members = read_parts(member_tables, len(settings.members))
    images = read_parts(image_tables, len(image_tables) // len(cell_tables)) if image_tables else []
    answer = ensemble_cells(
        read_parts(cell_tables, 1)[0],
        [(table, member.weight) for table, member in zip(members, settings.members, strict=True)],
        mean_table([(table, 1.0) for table in images]) if images else None,
        settings,
        negative=negative,
    )
    if calls is not None:
        answer = calls(answer)
    if unlike_cells:
        answer = join_distances(answer, unlike_cells, unlike_fields)
    if metadata is not None:
        answer = with_metadata(answer, metadata)
    if classes is not None:
        answer.attrs = {**answer.attrs, "classes": list(classes)}
    write_parquet(path, answer)


def with_metadata(answer: pd.DataFrame, metadata: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Add columns of texts to a table of cells, each cell with the values of its field; "" for an unknown field."""
    texts = pd.DataFrame(dict(metadata), dtype=str).set_index("ID").reindex(answer["ID"]).fillna("")
    added = {name: texts[name].to_numpy() for name in texts}
    found = answer.assign(**added)
    found.attrs = answer.attrs
    return found


def write_mean(path: str | os.PathLike, tables: Sequence[str | os.PathLike]) -> None:
    """Write the mean of the holdout tables of several stages (CSV); rows and other columns are those of the first."""
    read = [read_csv(table) for table in tables]
    mean = mean_table([(table, 1.0) for table in read], key=("ID", "cell"))
    first = read[0].copy()
    first[class_columns(mean)] = mean[class_columns(mean)]
    write_csv(path, first)
