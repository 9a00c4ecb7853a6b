"""Reading of submissions and ground truth tables in the format of the HPA 2021 challenge."""

import os
from collections.abc import Iterator

import pandas as pd

SUBMISSION_COLUMNS = ("ID", "ImageWidth", "ImageHeight", "PredictionString")


def read_submission(path: str | os.PathLike) -> pd.DataFrame:
    """Read a submission or ground truth table: `ID, ImageWidth, ImageHeight, PredictionString`, one row per field.

    Raises ValueError for missing columns, duplicate IDs, sizes that are not positive integers, and strings that do not
    consist of triplets. Masks are not decoded.
    """
    table = pd.read_csv(path, dtype={"ID": str, "PredictionString": str}, keep_default_na=False)
    missing = [name for name in SUBMISSION_COLUMNS if name not in table]
    if missing:
        raise ValueError(
            f"{path}: columns {', '.join(missing)} are missing; found {', '.join(table.columns)}"
        )
    if table["ID"].duplicated().any():
        raise ValueError(
            f"{path}: ID {table.loc[table['ID'].duplicated(), 'ID'].iloc[0]} occurs twice; expected one row per field"
        )
    for name in SUBMISSION_COLUMNS[1:3]:
        if not pd.api.types.is_integer_dtype(table[name]) or (table[name] < 1).any():
            raise ValueError(f"{path}: {name} must contain only positive integers")
    for field_id, text in zip(table["ID"], table["PredictionString"], strict=True):
        if len(text.split()) % 3:
            raise ValueError(
                f"{path}: the string of {field_id} does not consist of triplets `class confidence mask`"
            )
    return table[list(SUBMISSION_COLUMNS)]


def triplets(text: str) -> Iterator[tuple[int, float, str]]:
    """Yield class, confidence and encoded mask of each detection in a PredictionString."""
    parts = text.split()
    for index, confidence, mask in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        yield int(index), float(confidence), mask
