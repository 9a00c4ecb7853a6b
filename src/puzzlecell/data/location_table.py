"""The table that says which class each location of another model belongs to."""

import os
from collections.abc import Sequence

import numpy as np

from puzzlecell.config.messages import nearest
from puzzlecell.data.text_tables import TableError, read_text_columns

COLUMNS = ("location", "class")


def read_location_classes(
    path: str | os.PathLike, locations: Sequence[str], classes: Sequence[str]
) -> list[list[int]]:
    """Return for each class which locations belong to it, as indices into `locations`; empty for none.

    path: CSV `location,class` with a line for each location; an empty class leaves the location out. Raises TableError
    naming each line with an unknown or repeated location or an unknown class, and the locations without a line.
    """
    lines, columns = read_text_columns(path, COLUMNS)
    found: dict[str, int] = {}
    members: list[list[int]] = [[] for _ in classes]
    problems = []
    for line, location, name in zip(lines, *(columns[column] for column in COLUMNS), strict=True):
        if location not in locations:
            problems.append(f"line {line}: no location {location!r}{nearest(location, locations)}")
        elif location in found:
            problems.append(
                f"line {line}: {location} is also in line {found[location]}; name each location once"
            )
        elif name and name not in classes:
            problems.append(f"line {line}: no class {name!r} in the class table{nearest(name, classes)}")
        elif name:
            members[classes.index(name)].append(locations.index(location))
        found.setdefault(location, line)
    absent = [location for location in locations if location not in found]
    if absent:
        problems.append(
            f"there is no line for {', '.join(absent)}; a location without a class has an empty class"
        )
    if problems:
        raise TableError("\n".join(f"{path}: {problem}" for problem in problems))
    return [sorted(of_class) for of_class in members]


def class_probabilities(values: np.ndarray, members: Sequence[Sequence[int]]) -> np.ndarray:
    """Probabilities (n, C) of classes: the highest of their locations, 0 for a class without one.

    values: (n, L) probabilities of locations. members: see `read_location_classes`.
    """
    columns = [
        values[:, list(of_class)].max(axis=1) if of_class else np.zeros(len(values), values.dtype)
        for of_class in members
    ]
    return np.stack(columns, axis=1)
