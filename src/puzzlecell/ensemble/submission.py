"""Write a submission in the format of the HPA 2021 challenge: one row per field, with encoded masks."""

import csv
import os
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from puzzlecell.config.submission import SubmissionSettings
from puzzlecell.data.field_sources import RawDataset, field_sources
from puzzlecell.data.rle import encode_cells, encode_runs
from puzzlecell.data.store import ShardReader
from puzzlecell.data.submission_file import SUBMISSION_COLUMNS
from puzzlecell.data.tables import class_columns, read_parquet
from puzzlecell.ensemble.field_sizes import submission_fields
from puzzlecell.runtime.checksums import written_with_checksum
from puzzlecell.runtime.messages import first_few
from puzzlecell.runtime.progress import Progress, no_progress


def write_dataset_submission(
    path: str | os.PathLike,
    *,
    datasets: Sequence[RawDataset],
    cells: Sequence[str | os.PathLike],
    masks: Sequence[str | os.PathLike],
    store: Sequence[str | os.PathLike],
    settings: SubmissionSettings,
    progress: Progress = no_progress,
) -> None:
    """Write the submission of one or more test sets from the files of a run.

    datasets: where the tables and raw images of each test set are. cells: ensembled cell table of each test set. masks,
    store: shards of all test sets.
    """
    stored = ShardReader(store)
    fields = []
    for dataset in datasets:
        sources = field_sources(dataset)
        fields.append(submission_fields(dataset.labels, sources, stored, sources.ids))
    write_submission(
        path,
        pd.concat(fields, ignore_index=True),
        pd.concat([read_parquet(table) for table in cells], ignore_index=True),
        ShardReader(masks).get,
        settings,
        progress=progress,
    )


def write_submission(
    path: str | os.PathLike,
    fields: pd.DataFrame,
    cells: pd.DataFrame,
    labels_of: Callable[[str], np.ndarray | None],
    settings: SubmissionSettings,
    *,
    progress: Progress = no_progress,
) -> None:
    """Write a submission with one row per field, in the order of `fields`.

    fields: `ID, ImageWidth, ImageHeight` in original pixels. cells: `ID, cell, p00 ...`. labels_of: returns the label
    image (M, M) of a field; called for one field with cells at a time. A cell that has no pixel at the original size
    gets no triplet. A field without cells gets one triplet: the first class with confidence 0 and an empty mask.
    progress: called with the number of fields done and the total. Raises ValueError for a duplicate ID, for cells of
    fields that are not in `fields`, and for cells that are not in their label image.
    """
    twice = fields.loc[fields["ID"].duplicated(), "ID"].tolist()
    unknown = sorted(set(cells["ID"]) - set(fields["ID"]))
    if twice or unknown:
        raise ValueError(
            (f"the ID table lists {twice[0]} twice; " if twice else "")
            + (
                f"{len(unknown)} fields with cells are not in the ID table, such as {unknown[0]}"
                if unknown
                else ""
            )
        )
    columns = class_columns(cells)
    rows_of = cells.groupby("ID", sort=False).indices
    numbers, values = cells["cell"].to_numpy(), cells[columns].to_numpy(np.float64)

    with written_with_checksum(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(SUBMISSION_COLUMNS)
        for done, row in enumerate(fields[list(SUBMISSION_COLUMNS[:3])].itertuples(index=False), start=1):
            field_id, width, height = row.ID, int(row.ImageWidth), int(row.ImageHeight)
            text = no_cells(height, width)
            if field_id in rows_of:
                labels, chosen = labels_of(field_id), rows_of[field_id]
                absent = np.setdiff1d(numbers[chosen], () if labels is None else labels)
                if labels is None or len(absent):
                    raise ValueError(
                        f"field {field_id}: cells {first_few(absent, 5)} are not in its label image"
                    )
                masks = encode_cells(labels, height, width)
                text = prediction_string(numbers[chosen], values[chosen], masks, settings) or text
            rows.writerow([field_id, width, height, text])
            progress(done, len(fields))


def no_cells(height: int, width: int) -> str:
    """Prediction string of a field without cells: the first class with confidence 0 and an empty mask."""
    nothing = np.empty(0, np.int64)
    return f"0 0 {encode_runs(nothing, nothing, height, width)}"


def prediction_string(
    numbers: np.ndarray, values: np.ndarray, masks: dict[int, str], settings: SubmissionSettings
) -> str:
    """Prediction string of a field: triplets `class confidence mask`.

    numbers: (n,) cell numbers; values: (n, C) confidences; masks: encoded mask of each cell number.
    """
    digits = settings.digits
    return " ".join(
        f"{index} {value:.{digits}f} {masks[number]}"
        for number, cell_values in zip(numbers.tolist(), values.tolist(), strict=True)
        for index, value in enumerate(cell_values)
        if number in masks and value >= settings.minimum_confidence
    )
