"""Label tables with one column of 0 and 1 per class, named by class, location or class number."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from puzzlecell.data.class_names import ClassNames
from puzzlecell.data.label_values import FoundLabels
from puzzlecell.data.text_tables import quoted

LIKE = 0.8
"""Similarity of names (difflib) from which a column of 0 and 1 is taken for a misspelled class."""


@dataclass(frozen=True)
class ClassColumns:
    """Columns of a table that are about classes.

    of_class: for each class, its columns: several if several locations belong to it. without: columns of locations
    without a class. form: how the columns are named.
    """

    of_class: Sequence[Sequence[str]]
    without: Sequence[str]
    form: str

    def missing(self, names: ClassNames) -> list[str]:
        """Return the classes that have no column."""
        return [name for name, columns in zip(names.classes, self.of_class, strict=True) if not columns]

    @property
    def names(self) -> list[str]:
        """All columns, class by class."""
        return [column for columns in self.of_class for column in columns]


def class_columns(table: pd.DataFrame, names: ClassNames) -> ClassColumns:
    """Find the columns of the classes: by name, else by number (`0`, `1`, ...)."""
    of_class: list[list[str]] = [[] for _ in names.classes]
    without, plain = [], True
    for column in table.columns:
        if column in ("ID", "Label") or not names.is_known(column):
            continue
        index = names.index(column)
        plain &= names.is_class(column)
        if index is None:
            without.append(column)
        else:
            of_class[index].append(column)
    numbers = [str(number) for number in range(len(names.classes))]
    if not any(of_class) and all(number in table for number in numbers):
        return ClassColumns([[number] for number in numbers], [], "one column per class, named by its number")
    form = f"one column per {'class' if plain else 'location'}, named after it"
    return ClassColumns(of_class, without, form)


def labels_from_columns(path, table: pd.DataFrame, names: ClassNames, columns: ClassColumns) -> FoundLabels:
    """Read the class columns of a table (index: numbers of the lines), which must hold 0 and 1."""
    result = FoundLabels(column_labels(table, columns), columns.form)
    read = [*columns.names, *columns.without]
    values = table[read].to_numpy(dtype=object)
    wrong = (values != "1") & (values != "0")
    without = (table[list(columns.without)] == "1").to_numpy()
    unlabelled = ~result.hot.any(axis=1) & ~without.any(axis=1)
    for row in np.flatnonzero(wrong.any(axis=1) | unlabelled).tolist():
        found = "no label; expected a 1 in at least one class column"
        if wrong[row].any():
            first = int(wrong[row].argmax())
            found = f"{quoted(values[row, first])} in the column {read[first]}; expected 0 or 1"
        result.problems.append(f"{path}: line {table.index[row]}: field {table['ID'].iloc[row]} has {found}")
    result.problems += _misspelled(path, table, names, set(read)) + _beyond(path, table, columns)
    result.without.update(
        {name: int(count) for name, count in zip(columns.without, without.sum(axis=0), strict=True) if count}
    )
    return result


def column_labels(table: pd.DataFrame, columns: ClassColumns) -> np.ndarray:
    """Return (N, C) uint8: 1 where one of the columns of a class is 1."""
    hot = np.zeros((len(table), len(columns.of_class)), np.uint8)
    for number, own in enumerate(columns.of_class):
        hot[:, number] = (table[list(own)] == "1").to_numpy().any(axis=1)
    return hot


def _beyond(path, table: pd.DataFrame, columns: ClassColumns) -> list[str]:
    """Columns of class numbers that the class table does not have: the others may mean other classes, too."""
    last = len(columns.of_class) - 1
    if columns.names != [str(number) for number in range(last + 1)]:
        return []
    return [
        f"{path}: the column {column} is the number of no class; expected 0 to {last}, as in the class table"
        for column in table.columns
        if column.isdecimal() and int(column) > last and table[column].isin(["0", "1"]).all()
    ]


def _misspelled(path, table: pd.DataFrame, names: ClassNames, read: set[str]) -> list[str]:
    """Columns of 0 and 1 that are not read although they are called almost like a class."""
    found = []
    for column in table.columns:
        near = None if column in read or column in ("ID", "Label") else names.nearest(column, LIKE)
        if near is not None and table[column].isin(["0", "1"]).all():
            found.append(
                f"{path}: the column {quoted(column)} is no class and no location; did you mean {near}?"
            )
    return found
