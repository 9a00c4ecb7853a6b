"""The table `calibration.csv`: how the probabilities of each class are calibrated, and where it is called.

Imports nothing heavy, because a table that the configuration names is checked before the first job.
"""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from puzzlecell.config.messages import nearest
from puzzlecell.data.text_tables import TableError, listed, quoted, read_text_columns

COLUMNS = ("class", "method", "slope", "intercept", "knots", "threshold")
"""Columns that decide what is done; the others say on what it rests."""
METHODS = ("platt", "isotonic", "none")
BETWEEN_KNOTS, IN_KNOT = " ", ":"


@dataclass(frozen=True)
class Row:
    """Calibration of one class as in the table.

    slope, intercept: of Platt scaling. knots: pairs (probability, calibrated) of isotonic regression. threshold: lowest
    calibrated probability at which the class is called; None: never.
    """

    method: str
    slope: float | None = None
    intercept: float | None = None
    knots: tuple[tuple[float, float], ...] = ()
    threshold: float | None = None


def knots_text(knots: Sequence[tuple[float, float]]) -> str:
    """Knots as a value of the table, such as `0.1:0.02 0.7:0.9`."""
    return BETWEEN_KNOTS.join(f"{place!r}{IN_KNOT}{height!r}" for place, height in knots)


def read_calibration(path: str | os.PathLike, names: Sequence[str]) -> list[Row]:
    """Read the calibration of each class, in the order of `names`.

    Raises TableError naming the line of every class that is not known or occurs twice and every value that is not
    possible, and the classes without a row.
    """
    lines, columns = read_text_columns(path, COLUMNS)
    found: dict[str, Row] = {}
    seen: dict[str, int] = {}
    problems = []
    for place, line in enumerate(lines):
        values = {key: columns[key][place] for key in COLUMNS}
        name = values["class"]
        if name not in names:
            problems.append(f"{path}: line {line}: no class {quoted(name)}{nearest(name, names)}")
        elif name in seen:
            problems.append(f"{path}: line {line}: the class {name} is in line {seen[name]} already")
        else:
            seen[name] = line
            try:
                found[name] = _row(values)
            except ValueError as error:
                problems.append(f"{path}: line {line}: {error}")
    missing = [name for name in names if name not in seen]
    if missing:
        problems.append(
            f"{path}: no row for {', '.join(missing)}; was it made with another class table? `snakemake calibration` "
            "makes one for this run"
        )
    if problems:
        raise TableError("\n".join(listed(problems, path)))
    return [found[name] for name in names]


def _row(values: dict[str, str]) -> Row:
    """A row of the table; raises ValueError in words."""
    method = values["method"]
    if method not in METHODS:
        raise ValueError(f"method {quoted(method)}; expected {', '.join(METHODS)}")
    threshold = _number(values["threshold"], "threshold", 0, 1) if values["threshold"] else None
    if method == "platt":
        slope = _number(values["slope"], "slope", 0, math.inf)
        if slope == 0:
            raise ValueError("slope 0; expected a number above 0")
        intercept = _number(values["intercept"], "intercept", -math.inf, math.inf)
        return Row(method, slope, intercept, threshold=threshold)
    if method == "isotonic":
        return Row(method, knots=_knots(values["knots"]), threshold=threshold)
    return Row(method, threshold=threshold)


def _knots(text: str) -> tuple[tuple[float, float], ...]:
    knots = []
    for pair in text.split():
        place, _, height = pair.partition(IN_KNOT)
        knots.append((_number(place, "knot", 0, 1), _number(height, "knot", 0, 1)))
    risen = all(before[0] < after[0] and before[1] <= after[1] for before, after in pairwise(knots))
    if len(knots) < 2 or not risen:
        raise ValueError(
            f"knots {quoted(text)}; expected at least two pairs probability:calibrated with spaces between them, both "
            "rising"
        )
    return tuple(knots)


def _number(text: str, name: str, least: float, most: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if math.isfinite(value) and least <= value <= most:
        return value
    between = f"a number from {least:g} to {most:g}" if math.isfinite(most) else "a number"
    between = "a number above 0" if least == 0 and not math.isfinite(most) else between
    raise ValueError(f"{name} {quoted(text)}; expected {between}")
