"""Label tables: which classes each field shows."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from puzzlecell.data.ids import check_ids
from puzzlecell.data.text_tables import TableError, listed, quoted, read_text_table
from puzzlecell.runtime.messages import first_few
from puzzlecell.runtime.unchanged_files import kept_while_unchanged

LabelError = TableError
"""A label table cannot be used; the message lists every problem found in it."""

_NUMBER = "[0-9]{1,9}"
_LISTED = re.compile(rf"{_NUMBER}(?: *\| *{_NUMBER})*").fullmatch
_IN_BRACKETS = re.compile(rf"\[ *{_NUMBER}(?: *, *{_NUMBER})* *\]").fullmatch
_NUMBERS = re.compile(_NUMBER).findall


def read_ids(path: str | os.PathLike) -> pd.DataFrame:
    """Read a table with all values as text; its index `line` holds the numbers of the lines (from 1).

    Raises LabelError for a table that `read_text_table` refuses, for a table without rows, and for missing, invalid
    (see `puzzlecell.data.ids`) and duplicate IDs.
    """
    return _kept_ids(path).copy()


# Planning needs the table of a data set several times.
@kept_while_unchanged
def _kept_ids(path: Path) -> pd.DataFrame:
    table = read_text_table(path, ["ID"])
    check_ids(path, table.index.tolist(), table["ID"].tolist())
    return table


def read_labels(path: str | os.PathLike, classes: Sequence[str]) -> pd.DataFrame:
    """Read the labels of a data set: a table with index ID and one uint8 column of 0 and 1 per class, named after it.

    The CSV has either a column `Label` with class numbers written as `0|16` or `[0, 16]`, or one column of 0 and 1 per
    class, named after it; if it has both, they must agree. Raises LabelError naming the line and ID of every field
    whose labels are missing, unknown or contradictory.
    """
    table = read_ids(path)
    missing = [name for name in classes if name not in table]
    if "Label" not in table and missing:
        raise LabelError(
            f"{path}: neither a column Label nor one column per class; missing: {first_few(missing)}"
        )
    if "Label" in table:
        hot, problems = _from_lists(path, table, len(classes))
        if not problems and not missing:
            problems = _contradictions(path, table, classes, hot)
    else:
        hot, problems = _from_columns(path, table, classes)
    if problems:
        raise LabelError("\n".join(listed(problems, path)))
    return pd.DataFrame(hot, index=pd.Index(table["ID"], name="ID"), columns=list(classes))


def _from_lists(path, table: pd.DataFrame, classes: int) -> tuple[np.ndarray, list[str]]:
    hot = np.zeros((len(table), classes), dtype=np.uint8)
    problems = []
    for row, (line, field_id, text) in enumerate(zip(table.index, table["ID"], table["Label"], strict=True)):
        numbers = _parse_numbers(text)
        unknown = [number for number in numbers if number >= classes]
        if not numbers:
            problems.append(
                f"{path}: line {line}: field {field_id} has label {quoted(text)}; "
                "expected class numbers such as 0|16 or [0, 16]"
            )
        elif unknown:
            problems.append(
                f"{path}: line {line}: field {field_id} has unknown label {first_few(unknown)}; "
                f"expected 0 to {classes - 1}"
            )
        else:
            hot[row, numbers] = 1
    return hot, problems


def _parse_numbers(text: str) -> list[int]:
    """Class numbers of a label; empty unless it consists of plain decimal integers. A class may be named twice."""
    text = text.strip(" ")
    return [int(number) for number in _NUMBERS(text)] if _LISTED(text) or _IN_BRACKETS(text) else []


def _from_columns(path, table: pd.DataFrame, classes: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    values = table[list(classes)].to_numpy(dtype=object)
    hot = (values == "1").astype(np.uint8)
    wrong = (values != "1") & (values != "0")
    problems = []
    for row in np.flatnonzero(wrong.any(axis=1) | ~hot.any(axis=1)).tolist():
        found = "no label; expected a 1 in at least one class column"
        if wrong[row].any():
            first = int(wrong[row].argmax())
            found = f"{quoted(values[row, first])} in the column {classes[first]}; expected 0 or 1"
        problems.append(f"{path}: line {table.index[row]}: field {table['ID'].iloc[row]} has {found}")
    return hot, problems


def _contradictions(path, table: pd.DataFrame, classes: Sequence[str], hot: np.ndarray) -> list[str]:
    values = table[list(classes)].to_numpy(dtype=object)
    differs = (values != np.where(hot, "1", "0").astype(object)).any(axis=1)
    return [
        f"{path}: line {table.index[row]}: field {table['ID'].iloc[row]} has the label "
        f"{quoted(table['Label'].iloc[row])}, but its class columns say otherwise; "
        "correct the table, or delete the column Label or the class columns"
        for row in np.flatnonzero(differs).tolist()
    ]
