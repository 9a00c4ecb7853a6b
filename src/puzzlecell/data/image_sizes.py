"""Sizes of fields in the columns `ImageWidth` and `ImageHeight` of a table."""

import os

import pandas as pd

from puzzlecell.data.labels import LabelError
from puzzlecell.data.submission_file import SUBMISSION_COLUMNS, size_problem

SIZE_COLUMNS = SUBMISSION_COLUMNS[1:3]
_LOWER = {name.lower() for name in SIZE_COLUMNS}


def table_sizes(path: str | os.PathLike, table: pd.DataFrame) -> dict[str, tuple[int, int]] | None:
    """Return the size (height, width) in pixels of each field of a table of texts, by ID; None without size columns.

    path: the table's file, for messages. Raises LabelError if only one of the two columns is there, and for sizes that
    are not whole numbers of at least 1, naming every such field.
    """
    present = [name for name in SIZE_COLUMNS if name in table]
    alike = [name for name in table if name not in SIZE_COLUMNS and name.lower() in _LOWER]
    if alike:
        raise LabelError(
            f"{path}: there is a column {alike[0]}; write {' and '.join(SIZE_COLUMNS)} exactly so"
        )
    if not present:
        return None
    if len(present) == 1:
        (absent,) = set(SIZE_COLUMNS) - set(present)
        raise LabelError(f"{path}: there is a column {present[0]} but no {absent}; expected both or neither")
    values = table[["ID", *SIZE_COLUMNS]]
    problems = [
        f"{path}: field {row[0]} has {name} {text!r}; expected a whole number of pixels, such as 2048"
        for row in values.itertuples(index=False)
        for name, text in zip(SIZE_COLUMNS, row[1:], strict=True)
        if size_problem(name, text)
    ]
    if problems:
        raise LabelError("\n".join(problems))
    return {field_id: (int(height), int(width)) for field_id, width, height in values.itertuples(index=False)}


def size_mismatch(
    path: str | os.PathLike, field_id: str, in_table: tuple[int, int], of_image: tuple[int, int]
) -> str | None:
    """Return a message if the size (height, width) of a field in a table is not that of its images, else None."""
    if in_table == of_image:
        return None
    swapped = "; the columns look swapped" if in_table == of_image[::-1] else ""
    return (
        f"{path}: field {field_id} has ImageWidth, ImageHeight {in_table[1]}, {in_table[0]}, but its images have "
        f"{of_image[1]} x {of_image[0]} pixels{swapped}; correct the table, or remove both columns to use the size of "
        f"the images"
    )
