"""The reader of the tables that users write, but for the class table: CSV in UTF-8, all values as text.

Values are separated by commas, semicolons or tabs; the header decides. Imports nothing heavy, because planning reads
the IDs of all fields.
"""

import csv
import os
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from puzzlecell.errors import DamagedFileError, UserError
from puzzlecell.regular_file import file_problem
from puzzlecell.runtime.checksums import check_text, checksum_path
from puzzlecell.runtime.messages import first_few

if TYPE_CHECKING:
    import pandas as pd

SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab"}
"""Signs that may separate the values of a table, and their names."""
LONGEST_VALUE = 2**28
"""Characters of the longest value; a field with 1,000 cells of 20 classes has a PredictionString of about 2**25."""


class TableError(UserError):
    """A table cannot be used; the message names the file and each line that is wrong."""


def read_text_table(path: str | os.PathLike, required: Sequence[str] = ()) -> "pd.DataFrame":
    """Read a CSV table as `read_text_columns` does, and raise what it raises.

    Returns a DataFrame of text, with the numbers of the lines (from 1, int64) as its index `line`.
    """
    import pandas as pd

    lines, columns = read_text_columns(path, required)
    return pd.DataFrame(columns, index=pd.Index(lines, dtype="int64", name="line"), dtype=str)


def read_text_columns(
    path: str | os.PathLike,
    required: Sequence[str] = (),
    *,
    only: tuple[str, Callable[[str], bool]] | None = None,
) -> tuple[list[int], dict[str, list[str]]]:
    """Read a CSV table: the numbers of its lines (from 1), and the values of each column, by name.

    required: columns that must be there; others are kept, except those without a name. The separator is that of the
    header, see `separator_of`. No value is interpreted: `NA`, `007`, `0,5` and an empty value stay text. Empty lines at
    the end are ignored. only: a required column, and which of its values the rows have that are kept; the others are
    checked, too, and need no memory. Raises TableError, naming the line, for a file that is missing or not a file, not
    UTF-8, or not well-formed, for rows with more or fewer values than the header, for column names that occur twice,
    and for missing columns.
    """
    problem = file_problem(path, "table")
    if problem:
        raise TableError(f"{path}: {problem}; expected a CSV file{with_columns(required)}")
    # Tables of simulated data are written by a job.
    if checksum_path(path).exists():
        try:
            check_text(path, required=False)
        except DamagedFileError as error:
            raise TableError(str(error)) from error
    # The limit is one for the whole process, so it is only ever raised.
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST_VALUE))
    _check_no_nul(path)
    try:
        separator = separator_of(path, required)
        with Path(path).open(newline="", encoding="utf-8-sig") as file:
            return _columns(path, csv.reader(file, delimiter=separator, strict=True), required, only)
    except UnicodeDecodeError:
        raise TableError(f"{path}: {_not_utf8(path)}; save the table as CSV in UTF-8") from None


def read_text_header(path: str | os.PathLike, required: Sequence[str] = ()) -> list[str]:
    """Names of the columns of a CSV table, all of which have one; raises the errors of `read_text_columns`."""
    separator = ","
    try:
        separator = separator_of(path, required)
        with Path(path).open(newline="", encoding="utf-8-sig") as file:
            names = next(csv.reader(file, delimiter=separator, strict=True), [])
    except UnicodeDecodeError:
        raise TableError(f"{path}: {_not_utf8(path)}; save the table as CSV in UTF-8") from None
    except csv.Error as error:
        raise TableError(f"{path}: {_csv_problem(str(error), 1, separator)}") from error
    _check_header(path, names, required)
    return [name for name in names if name]


def separator_of(path: str | os.PathLike, required: Sequence[str] = ()) -> str:
    """Return what separates the values of a table: a comma, a semicolon or a tab.

    It is the first of them with which the header has all required columns, so that a semicolon or a decimal comma in a
    value or in another column's name is not misread. If none has them, it is the one with the most of them, then the
    one with the most columns. Raises UnicodeDecodeError.
    """
    best, most = ",", (-1, -1)
    for separator in SEPARATORS:
        with Path(path).open(newline="", encoding="utf-8-sig") as file:
            try:
                names = next(csv.reader(file, delimiter=separator, strict=True), [])
            except csv.Error:
                continue
        found = sum(name in names for name in required)
        if required and found == len(required):
            return separator
        if (found, len(names)) > most:
            best, most = separator, (found, len(names))
    return best


def with_columns(names: Sequence[str]) -> str:
    """Return ` with the columns a, b` for a message; empty without names."""
    return f" with the column{'s' if len(names) > 1 else ''} {', '.join(names)}" if names else ""


def quoted(text: str, most: int = 60) -> str:
    """Return a value of a table for a message: in quotes, with visible control characters, cut if it is long."""
    return repr(text) if len(text) <= most else f"{text[:most]!r}... ({len(text)} characters)"


def listed(problems: Sequence[str], path: str | os.PathLike, most: int = 20) -> list[str]:
    """Return the first problems of one kind, and a line that says how many more there are."""
    more = len(problems) - most
    return [*problems[:most], f"{path}: and {more} more of this kind"] if more > 0 else list(problems)


def _columns(
    path: str | os.PathLike,
    reader: Any,
    required: Sequence[str],
    only: tuple[str, Callable[[str], bool]] | None,
) -> tuple[list[int], dict[str, list[str]]]:
    # One list for all values: a list for each row would keep the garbage collector busy.
    values: list[str] = []
    lines: list[int] = []
    names: list[str]
    line, blank = 1, 0
    separator = reader.dialect.delimiter
    try:
        names = next(reader, [])
        _check_header(path, names, required)
        width = len(names)
        place = None if only is None else names.index(only[0])
        line = reader.line_num + 1
        for row in reader:
            if blank and row:
                raise TableError(f"{path}: line {blank} is empty, but rows follow; delete this line")
            if len(row) == width:
                if only is None or place is None or only[1](row[place]):
                    values += row
                    lines.append(line)
            elif row:
                raise TableError(
                    f"{path}: line {line} has {len(row)} values, but the header has {width} columns; "
                    f"a value that contains a {SEPARATORS[separator]} must be in double quotes"
                )
            else:
                blank = blank or line
            line = reader.line_num + 1
    except csv.Error as error:
        raise TableError(f"{path}: {_csv_problem(str(error), line, separator)}") from error
    return lines, {name: values[place::width] for place, name in enumerate(names) if name}


def _csv_problem(error: str, line: int, separator: str) -> str:
    if "unexpected end of data" in error:
        return f"line {line}: a double quote is never closed"
    if "field limit" in error:
        return (
            f"line {line}: a value has more than {LONGEST_VALUE} characters; is a double quote never closed?"
        )
    if "expected after" in error:
        return (
            f"line {line}: a closing double quote is not followed by a {SEPARATORS[separator]}; write a quote inside a "
            "value twice"
        )
    return f"line {line}: not well-formed CSV: {error}"


def _check_header(path: str | os.PathLike, names: Sequence[str], required: Sequence[str]) -> None:
    if not names:
        found = "the first line is empty" if Path(path).stat().st_size else "the file is empty"
        raise TableError(f"{path}: {found}; expected a header{with_columns(required)}")
    twice = [name for name, times in Counter(names).items() if name and times > 1]
    if twice:
        raise TableError(f"{path}: columns that occur twice: {first_few(map(quoted, twice))}")
    missing = [name for name in required if name not in names]
    if not missing:
        return
    found = first_few((quoted(name) for name in names), 12)
    hint = ""
    alike = [name for name in names if name.strip().lower() in {wanted.lower() for wanted in missing}]
    if alike:
        hint = f"; names must be written exactly so, not {quoted(alike[0])}"
    raise TableError(
        f"{path}: {'columns' if len(missing) > 1 else 'column'} {', '.join(missing)} "
        f"{'are' if len(missing) > 1 else 'is'} missing; found {found}{hint}"
    )


def _check_no_nul(path: str | os.PathLike) -> None:
    lines = 1
    with Path(path).open("rb") as file:
        while chunk := file.read(2**20):
            if b"\0" in chunk:
                lines += chunk.count(b"\n", 0, chunk.index(b"\0"))
                raise TableError(
                    f"{path}: line {lines} contains a NUL character; expected a CSV table in UTF-8: was the file "
                    "damaged, or saved in another format?"
                )
            lines += chunk.count(b"\n")


def _not_utf8(path: str | os.PathLike) -> str:
    content = Path(path).read_bytes()
    try:
        content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return f"not UTF-8: byte 0x{content[error.start]:02x} at offset {error.start} (line {line})"
    return "not UTF-8"
