"""Fields that stay in one fold because they have the same value in a column of their label tables."""

import os
from collections.abc import Iterable

from puzzlecell.data.labels import read_ids
from puzzlecell.data.text_tables import TableError, quoted
from puzzlecell.runtime.messages import first_few


def column_keys(paths: Iterable[str | os.PathLike], column: str | None) -> dict[str, str]:
    """Read `folds.column` of label tables: ID -> `column: value`; fields without a value are left out.

    column: None gives no keys. Raises TableError for tables that `read_ids` refuses or that lack the column.
    """
    found: dict[str, str] = {}
    for path in paths if column is not None else ():
        table = read_ids(path)
        if column not in table:
            names = first_few((quoted(name) for name in table), 12)
            raise TableError(f"{path}: folds.column: there is no column {quoted(str(column))}; found {names}")
        given = table[table[column].str.strip() != ""]
        found |= {
            field_id: f"{column}: {value}" for field_id, value in zip(given["ID"], given[column], strict=True)
        }
    return found
