"""Tables of decision thresholds: `class,threshold`, with the row `all` for classes without a row of their own.

Imports nothing heavy, because a table that a user names is checked while the workflow is planned.
"""

import math
import os
from collections.abc import Sequence

from puzzlecell.config.messages import nearest
from puzzlecell.data.text_tables import TableError, quoted, read_text_columns

ALL = "all"
"""The row for all classes that have none of their own."""


def read_thresholds(path: str | os.PathLike, names: Sequence[str]) -> list[float]:
    """Read one threshold per class, in the order of `names`, from a CSV with the columns `class` and `threshold`.

    Other columns are ignored. Raises TableError naming the line of every unknown or repeated class and every value that
    is not between 0 and 1, and the classes without a threshold.
    """
    lines, columns = read_text_columns(path, ["class", "threshold"])
    found: dict[str, float] = {}
    first: dict[str, int] = {}
    problems = []
    for line, name, text in zip(lines, columns["class"], columns["threshold"], strict=True):
        value = _number(text)
        if name not in names and name != ALL:
            problems.append(f"{path}: line {line}: no class {quoted(name)}{nearest(name, names)}")
        elif name in first:
            problems.append(f"{path}: line {line}: the class {name} is in line {first[name]} already")
        elif not 0 <= value <= 1:
            problems.append(f"{path}: line {line}: threshold {quoted(text)}; expected a number from 0 to 1")
        first.setdefault(name, line)
        found.setdefault(name, value)
    missing = [name for name in names if name not in found]
    if missing and ALL not in found:
        problems.append(f"{path}: no threshold for {', '.join(missing)}; add rows for them, or a row {ALL}")
    if problems:
        raise TableError("\n".join(problems))
    return [found[name] if name in found else found[ALL] for name in names]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
