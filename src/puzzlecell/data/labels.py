"""Label tables: which classes each field shows."""

import ast
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from puzzlecell.runtime.messages import first_few


class LabelError(ValueError):
    """A label table cannot be used; the message lists every problem found in it."""


def read_ids(path: str | os.PathLike) -> pd.DataFrame:
    """Read a table with all values as text. Raises LabelError for missing, empty or duplicate IDs."""
    path = Path(path)
    if not path.is_file():
        raise LabelError(f"{path}: there is no such table; expected a CSV with a column ID")
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise LabelError(f"{path}: cannot be read as CSV: {error}") from error
    if "ID" not in table:
        raise LabelError(f"{path}: columns are {', '.join(table.columns)}; a column ID is missing")
    problems = []
    if len(table) == 0:
        problems.append(f"{path}: the table has no rows")
    if (table["ID"] == "").any():
        rows = (np.flatnonzero(table["ID"] == "") + 2).tolist()
        problems.append(f"{path}: no ID in line {first_few(rows)}")
    twice = table.loc[table["ID"].duplicated(), "ID"].unique().tolist()
    if twice:
        problems.append(f"{path}: ID more than once: {first_few(twice)}")
    if problems:
        raise LabelError("\n".join(problems))
    return table


def read_labels(path: str | os.PathLike, classes: Sequence[str]) -> pd.DataFrame:
    """Read the labels of a data set: a table with index ID and one uint8 column of 0 and 1 per class, named after it.

    The CSV has either a column `Label` with class numbers written as `0|16` or `[0, 16]`, or one column of 0 and 1 per
    class, named after it. Raises LabelError naming every field whose labels are missing or unknown.
    """
    table = read_ids(path)
    if "Label" in table:
        hot, problems = _from_lists(path, table, len(classes))
    else:
        hot, problems = _from_columns(path, table, classes)
    if problems:
        raise LabelError("\n".join(problems))
    return pd.DataFrame(hot, index=pd.Index(table["ID"], name="ID"), columns=list(classes))


def _from_lists(path, table: pd.DataFrame, classes: int) -> tuple[np.ndarray, list[str]]:
    hot = np.zeros((len(table), classes), dtype=np.uint8)
    problems = []
    for row, (field_id, text) in enumerate(zip(table["ID"], table["Label"], strict=True)):
        numbers = _parse_numbers(text)
        if not numbers:
            problems.append(
                f"{path}: field {field_id} has label {text!r}; expected class numbers such as 0|16 or [0, 16]"
            )
            continue
        unknown = [number for number in numbers if not 0 <= number < classes]
        if unknown:
            problems.append(
                f"{path}: field {field_id} has unknown label {first_few(unknown)}; expected 0 to {classes - 1}"
            )
            continue
        hot[row, numbers] = 1
    return hot, problems


def _parse_numbers(text: str) -> list[int]:
    text = text.strip()
    try:
        if text.startswith("["):
            values = ast.literal_eval(text)
            return [int(value) for value in values]
        return [int(part) for part in text.split("|")] if text else []
    except (ValueError, SyntaxError, TypeError):
        return []


def _from_columns(path, table: pd.DataFrame, classes: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    missing = [name for name in classes if name not in table]
    if missing:
        return np.empty((0, len(classes))), [
            f"{path}: neither a column Label nor one column per class; missing: {first_few(missing)}"
        ]
    values = table[list(classes)]
    wrong = ~values.isin(["0", "1"]).all(axis=1)
    problems = [
        f"{path}: field {field_id} has values other than 0 and 1 in its class columns"
        for field_id in table.loc[wrong, "ID"]
    ]
    hot = (
        np.zeros((len(table), len(classes)), dtype=np.uint8)
        if problems
        else values.to_numpy().astype(np.uint8)
    )
    problems += [
        f"{path}: field {field_id} has no label; expected a 1 in at least one class column"
        for field_id in table.loc[(hot.sum(axis=1) == 0) & ~wrong.to_numpy(), "ID"]
        if not problems
    ]
    return hot, problems
