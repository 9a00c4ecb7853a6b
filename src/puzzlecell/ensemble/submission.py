"""The submission file of the HPA 2021 competition: a row a field, masks as text."""

import os
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd

from puzzlecell.config.submission import SubmissionSettings
from puzzlecell.data.rle import encode_cells, encode_runs
from puzzlecell.data.tables import class_columns
from puzzlecell.runtime.atomic import written_whole

COLUMNS = ("ID", "ImageWidth", "ImageHeight", "PredictionString")


def write_submission(
    path: str | os.PathLike,
    fields: pd.DataFrame,
    cells: pd.DataFrame,
    labels_of: Callable[[str], np.ndarray | None],
    settings: SubmissionSettings,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write a submission: a row for every field, in the order of their table.

    fields: `ID, ImageWidth, ImageHeight` in original pixels. cells: `ID, cell, p00 ...`. labels_of: the
    label image (M, M) of a field with cells; it is asked for one field at a time. A cell
    without a pixel at the original size gets no triplet. A field without cells
    gets one triplet: the first class with confidence 0 and an empty mask. progress: called with the number
    of fields done and of all. Raises ValueError for an ID twice, for cells of fields that are not in the
    table or not in their label image.
    """
    twice = fields.loc[fields["ID"].duplicated(), "ID"].tolist()
    unknown = sorted(set(cells["ID"]) - set(fields["ID"]))
    if twice or unknown:
        raise ValueError(
            (f"the ID table names {twice[0]} twice; " if twice else "")
            + (f"cells of {len(unknown)} fields not in the ID table, such as {unknown[0]}" if unknown else "")
        )
    columns = class_columns(cells)
    rows_of = cells.groupby("ID", sort=False).indices
    numbers, values = cells["cell"].to_numpy(), cells[columns].to_numpy(np.float64)

    with written_whole(path) as temporary, temporary.open("w", newline="") as file:
        file.write(",".join(COLUMNS) + "\n")
        for done, row in enumerate(fields[list(COLUMNS[:3])].itertuples(index=False), start=1):
            field_id, width, height = row.ID, int(row.ImageWidth), int(row.ImageHeight)
            text = no_cells(height, width)
            if field_id in rows_of:
                labels, chosen = labels_of(field_id), rows_of[field_id]
                absent = np.setdiff1d(numbers[chosen], labels)
                if len(absent):
                    raise ValueError(f"field {field_id}: cells {absent[:5]} are not in its label image")
                masks = encode_cells(labels, height, width)
                text = prediction_string(numbers[chosen], values[chosen], masks, settings) or text
            file.write(f"{field_id},{width},{height},{text}\n")
            if progress:
                progress(done, len(fields))


def no_cells(height: int, width: int) -> str:
    """The string of a field without cells: the first class with confidence 0 and an empty mask."""
    nothing = np.empty(0, np.int64)
    return f"0 0 {encode_runs(nothing, nothing, height, width)}"


def prediction_string(
    numbers: np.ndarray, values: np.ndarray, masks: dict[int, str], settings: SubmissionSettings
) -> str:
    """Triplets `class confidence mask` of the cells of a field: their numbers (n,), values (n, C) and
    masks.
    """
    digits = settings.digits
    return " ".join(
        f"{index} {value:.{digits}f} {masks[number]}"
        for number, cell_values in zip(numbers.tolist(), values.tolist(), strict=True)
        for index, value in enumerate(cell_values)
        if number in masks and value >= settings.minimum_confidence
    )


def read_submission(path: str | os.PathLike) -> pd.DataFrame:
    """A submission or a truth table: `ID, ImageWidth, ImageHeight, PredictionString`, a row a field.

    Raises ValueError for missing columns, an ID twice, a size that is no whole number above 0, or a string
    that does not consist of triplets. The masks are not decoded.
    """
    table = pd.read_csv(path, dtype={"ID": str, "PredictionString": str}, keep_default_na=False)
    missing = [name for name in COLUMNS if name not in table]
    if missing:
        raise ValueError(
            f"{path}: columns {', '.join(missing)} are missing; found {', '.join(table.columns)}"
        )
    if table["ID"].duplicated().any():
        raise ValueError(f"{path}: ID {table.loc[table['ID'].duplicated(), 'ID'].iloc[0]} is there twice")
    for name in COLUMNS[1:3]:
        if not pd.api.types.is_integer_dtype(table[name]) or (table[name] < 1).any():
            raise ValueError(f"{path}: {name} must be whole numbers above 0")
    for field_id, text in zip(table["ID"], table["PredictionString"], strict=True):
        if len(text.split()) % 3:
            raise ValueError(
                f"{path}: the string of {field_id} does not consist of triplets `class confidence mask`"
            )
    return table[list(COLUMNS)]


def triplets(text: str) -> Iterator[tuple[int, float, str]]:
    """Class, confidence and mask text of each detection in a PredictionString."""
    parts = text.split()
    for index, confidence, mask in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        yield int(index), float(confidence), mask
