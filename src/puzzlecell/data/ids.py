"""What an ID may look like: one rule for all tables.

An ID becomes part of file names, of CSV rows and of HDF5 texts, and it is printed in messages. Imports nothing heavy,
because planning reads the IDs of all fields.
"""

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

from puzzlecell.data.text_tables import TableError, listed, quoted, read_text_columns
from puzzlecell.runtime.messages import first_few

LONGEST = 200
"""Bytes of the longest ID in UTF-8; file systems allow 255 for a name, and `_yellow.png` or `_nuclei.png` is added."""

_ORDINARY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.()#+-]{0,199}").fullmatch
_REFUSED = {
    ",": "a comma",
    ";": "a semicolon",
    '"': "a quote",
    "'": "a quote",
    "/": "a slash",
    "\\": "a backslash",
    "\t": "a tab",
    "\n": "a line break",
    "\r": "a line break",
}
_REFUSED_KINDS = {
    "Cc": "a control character",
    "Cf": "an invisible character",
    "Cs": "an incomplete character",
    "Zl": "a line break",
    "Zp": "a line break",
}
_JOINERS = "\u200c\u200d"
"""Invisible, but needed to write some languages."""


def id_problem(text: str) -> str | None:
    """Return why a text cannot be an ID, such as `contains a comma`; None if it can.

    Letters of all languages, digits, spaces inside and other signs are allowed, as in `plate 1 (well A1)` or `A01#3`.
    """
    if _ORDINARY(text):
        return None
    if not text:
        return "is empty"
    for character in text:
        found = _REFUSED.get(character) or _REFUSED_KINDS.get(unicodedata.category(character))
        if found and character not in _JOINERS:
            return f"contains {found}"
    if text.strip() != text:
        return "begins or ends with a space"
    if text.startswith("."):
        return "begins with a full stop, which hides files"
    size = len(text.encode())
    return f"has {size} bytes, more than {LONGEST}" if size > LONGEST else None


def read_field_ids(path: str | os.PathLike) -> list[str]:
    """Read the IDs of a table, in its order.

    Raises TableError for a table that `read_text_columns` refuses, for a table without rows, and for missing, invalid
    and duplicate IDs.
    """
    lines, columns = read_text_columns(path, ["ID"])
    check_ids(path, lines, columns["ID"])
    return columns["ID"]


def check_ids(path: str | os.PathLike, lines: Sequence[int], ids: Sequence[str]) -> None:
    """Raise TableError if a table has no IDs, or if some are missing, invalid or duplicate. lines: their lines."""
    problems = id_problems(path, lines, ids) if ids else [f"{path}: the table has no rows"]
    if problems:
        raise TableError("\n".join(problems))


def id_problems(path: str | os.PathLike, lines: Sequence[int], ids: Sequence[str]) -> list[str]:
    """Return one message for each invalid ID, and one for IDs that occur twice. lines: their numbers in the table."""
    # Most of a hundred thousand IDs are ordinary.
    unusual = [(lines[place], text) for place, text in enumerate(ids) if not _ORDINARY(text)]
    wrong = [(line, text) for line, text in unusual if id_problem(text)]
    empty = [line for line, text in wrong if not text]
    problems = [f"{path}: no ID in line {first_few(empty)}"] if empty else []
    invalid = [f"{path}: line {line}: ID {quoted(text)} {id_problem(text)}" for line, text in wrong if text]
    problems += listed(invalid, path)
    if len(set(ids)) < len(ids):
        places: dict[str, list[int]] = {text: [] for text, times in Counter(ids).items() if times > 1}
        for line, text in zip(lines, ids, strict=True):
            if text in places:
                places[text].append(line)
        twice = [f"{text} (lines {first_few(at)})" for text, at in places.items() if not id_problem(text)]
        problems += [f"{path}: ID more than once: {first_few(twice)}"] if twice else []
    return problems
