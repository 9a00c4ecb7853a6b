"""The class table: the names of the classes, in the order of their numbers."""

import csv
import os
from pathlib import Path

from puzzlecell.errors import UserError
from puzzlecell.regular_file import file_problem

COLUMNS = ["index", "name"]
RESERVED = ("ID", "Label", "ImageWidth", "ImageHeight")
"""Columns of label tables, which can also have one column per class, named after it."""


class ClassTableError(UserError):
    """A class table cannot be used; the message names the file and lists every problem found in it."""


def read_classes(path: str | os.PathLike) -> list[str]:
    """Read class names in the order of their index, from a CSV `index,name` in UTF-8 with indices 0, 1, 2, ...

    Raises ClassTableError for a file that is missing or unreadable, another header, rows with more or fewer values,
    indices with gaps, and names that are missing, repeated, reserved, not plain text on one line, or the number of
    another class.
    """
    rows = _rows(path)
    if not rows:
        raise ClassTableError(f"{path}: the file is empty; expected a CSV with the header index,name")
    (_, header), *rows = rows
    if header != COLUMNS:
        raise ClassTableError(f"{path}: the first line is {','.join(header)!r}; expected index,name")
    if not rows:
        raise ClassTableError(f"{path}: no classes; expected a line such as 0,Nucleoplasm for each class")
    problems = []
    seen: dict[str, int] = {}
    for number, (line, values) in enumerate(rows):
        if len(values) != len(COLUMNS):
            problems.append(f"line {line}: {len(values)} values; expected two, an index and a name")
            continue
        index, name = values
        if index != str(number):
            problems.append(
                f"line {line}: index {index!r}; expected {number}: indices count 0, 1, 2, ... without gaps"
            )
        wrong = _name_problem(name, index)
        if wrong:
            problems.append(f"line {line}: {wrong}")
        elif name in seen:
            problems.append(
                f"line {line}: the name {name!r} is also in line {seen[name]}; each class needs its own"
            )
        seen.setdefault(name, line)
    if problems:
        raise ClassTableError("\n".join(f"{path}: {problem}" for problem in problems))
    return [name for _, (_, name) in rows]


def _rows(path: str | os.PathLike) -> list[tuple[int, list[str]]]:
    """Rows that are not blank, each with the number of its line; a byte order mark is skipped."""
    problem = file_problem(path)
    if problem:
        raise ClassTableError(f"{path}: {problem}; expected a CSV with the header index,name")
    try:
        with Path(path).open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            return [(reader.line_num, row) for row in reader if row]
    except UnicodeDecodeError as error:
        raise ClassTableError(f"{path}: not in UTF-8: {error.reason} at byte {error.start}") from error
    except csv.Error as error:
        raise ClassTableError(f"{path}: cannot be read as CSV: {error}") from error
    except OSError as error:
        raise ClassTableError(f"{path}: cannot be opened: {error.strerror}") from error


def _name_problem(name: str, index: str) -> str | None:
    if not name.strip():
        return "no name; each class needs one"
    if not name.isprintable():
        return f"the name {name!r} has a line break or a control character; expected plain text"
    if name != name.strip():
        return f"the name {name!r} begins or ends with a space"
    if name in RESERVED:
        return f"the name {name!r} is reserved for a column of label tables; choose another"
    if name.isdecimal() and name != index:
        return f"the name {name!r} is a number, which stands for another class in label tables; choose another name"
    return None
