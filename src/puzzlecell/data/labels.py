"""Label tables: which classes each field shows."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from puzzlecell.config.labels import WithoutClass
from puzzlecell.data.class_names import ClassNames
from puzzlecell.data.ids import check_ids
from puzzlecell.data.label_columns import ClassColumns, class_columns, column_labels, labels_from_columns
from puzzlecell.data.label_values import FoundLabels, labels_from_values
from puzzlecell.data.text_tables import (
    SEPARATORS,
    TableError,
    listed,
    quoted,
    read_text_table,
    separator_of,
)
from puzzlecell.runtime.messages import first_few
from puzzlecell.runtime.unchanged_files import kept_while_unchanged

log = logging.getLogger(__name__)

LabelError = TableError
"""A label table cannot be used; the message lists every problem found in it."""


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


def read_labels(
    path: str | os.PathLike, classes: Sequence[str], without_class: WithoutClass = "error"
) -> pd.DataFrame:
    """Read the labels of a data set: a table with index ID and one uint8 column of 0 and 1 per class, named after it.

    The table has one of these, and the log says which:

    - a column `Label` with class numbers (`0|16`, `[0, 16]`), or with names of classes or of locations of the Human
      Protein Atlas (`Nucleoplasm|Cytosol`, also separated by `;` or `,`);
    - one column of 0 and 1 per class, named after it, after its locations, or by its number.

    If it has both, they must agree. without_class: `leave_out` reads over locations that have no class in `classes`; a
    field that has no other is missing in the result. Raises LabelError naming the line and ID of every field whose
    labels are missing, unknown or contradictory.
    """
    table, names = read_ids(path), ClassNames(classes)
    columns = class_columns(table, names)
    missing = columns.missing(names)
    if "Label" in table:
        found = labels_from_values(path, table, names)
        if not found.problems and not missing:
            found.problems = _contradictions(path, table, columns, found.hot)
    elif missing:
        raise LabelError(
            f"{path}: neither a column Label nor one column per class; missing: {first_few(missing)}"
        )
    else:
        found = labels_from_columns(path, table, names, columns)
    problems = listed(found.problems, path)
    if found.without and without_class == "error":
        problems.append(
            f"{path}: locations that have no class in the class table: {_counted(found)}; set labels.without_class: "
            "leave_out to read the other locations of these fields"
        )
    if problems:
        raise LabelError("\n".join(problems))
    _report(path, table, found)
    labelled = found.hot.any(axis=1)
    return pd.DataFrame(
        found.hot[labelled], index=pd.Index(table["ID"][labelled], name="ID"), columns=list(classes)
    )


def _report(path: str | os.PathLike, table: pd.DataFrame, found: FoundLabels) -> None:
    separator = SEPARATORS[separator_of(path, ["ID"])]
    log.info("%s: %d fields; labels: %s; separator: %s", path, len(table), found.form, separator)
    if found.without:
        only = int((~found.hot.any(axis=1)).sum())
        log.info(
            "%s: left out locations without a class: %s; fields that have no other and are left out: %d",
            path,
            _counted(found),
            only,
        )


def _counted(found: FoundLabels) -> str:
    return first_few((f"{name} ({count} fields)" for name, count in found.without.most_common()), 12)


def _contradictions(path, table: pd.DataFrame, columns: ClassColumns, hot: np.ndarray) -> list[str]:
    values = table[columns.names].to_numpy(dtype=object)
    wrong = ((values != "1") & (values != "0")).any(axis=1)
    differs = wrong | (column_labels(table, columns) != hot).any(axis=1)
    return [
        f"{path}: line {table.index[row]}: field {table['ID'].iloc[row]} has the label "
        f"{quoted(table['Label'].iloc[row])}, but its class columns say otherwise; "
        "correct the table, or delete the column Label or the class columns"
        for row in np.flatnonzero(differs).tolist()
    ]
