"""Images of single cells: the table of their folder, and which cells training and test sets are composed of."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from puzzlecell.data.class_names import ClassNames
from puzzlecell.data.image_plane import ImagePlane
from puzzlecell.data.label_values import labels_from_values
from puzzlecell.data.raw_files import CHANNELS
from puzzlecell.data.text_tables import TableError, listed, quoted, read_text_table

TABLE = "cells.csv"
ENDINGS = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
"""Endings of the images of cells, in the order in which they are looked for."""


class CellFolderError(TableError):
    """The cells of a folder cannot be used; the message lists every problem found."""


@dataclass(frozen=True)
class CellImage:
    """One cell. planes: its images, red, green, blue and yellow; classes: indices, ascending."""

    name: str
    planes: tuple[ImagePlane, ...]
    classes: tuple[int, ...]
    group: str


def read_cell_folder(folder: str | os.PathLike, classes: Sequence[str]) -> list[CellImage]:
    """Read `cells.csv` (`name,class[,group]`), in its order, and find the images of each cell.

    A cell without a group is a group of its own. Raises TableError for a table that cannot be read, and CellFolderError
    for names that are missing or occur twice, unknown classes, and images that are missing.
    """
    path = Path(folder, TABLE)
    table = read_text_table(path, ["name", "class"]).rename(columns={"name": "ID", "class": "Label"})
    if table.empty:
        raise CellFolderError(f"{path}: no cells; expected a row such as a1,{classes[0]} for each cell")
    names = table["ID"].tolist()
    groups = table["group"].tolist() if "group" in table else [""] * len(names)
    problems = [
        f"{path}: line {line}: no name" for line, name in zip(table.index, names, strict=True) if not name
    ]
    twice = [name for name, times in Counter(names).items() if name and times > 1]
    problems += [f"{path}: the name {quoted(name)} occurs twice; each cell needs its own" for name in twice]
    found = labels_from_values(path, table, ClassNames(classes), "cell")
    problems += listed(found.problems, path)
    problems += [f"{path}: {name} has no class in the class table" for name in found.without]
    planes, missing = _planes(folder, [name for name in names if name])
    problems += listed(missing, folder)
    if problems:
        raise CellFolderError("\n".join(problems))
    return [
        CellImage(name, planes[name], tuple(hot.nonzero()[0].tolist()), group or f"cell {name}")
        for name, group, hot in zip(names, groups, found.hot, strict=True)
    ]


def split_cells(
    cells: Sequence[CellImage], classes: Sequence[str], folder: str | os.PathLike
) -> tuple[list[CellImage], list[CellImage]]:
    """Return the cells of the training sets and those of the holdout and test sets.

    Groups are divided, not cells: in each class half and half, from the class with the fewest groups on, in the order
    of their names. Raises CellFolderError naming the classes that would be missing on one side.
    """
    classes_of: dict[str, set[int]] = {}
    for cell in cells:
        classes_of.setdefault(cell.group, set()).update(cell.classes)
    groups_of = {
        number: sorted(group for group, shown in classes_of.items() if number in shown)
        for number in sorted(set().union(*classes_of.values()))
    }
    side: dict[str, int] = {}
    counts = {number: [0, 0] for number in groups_of}
    for number in sorted(groups_of, key=lambda number: (len(groups_of[number]), number)):
        for group in groups_of[number]:
            if group in side:
                continue
            own = counts[number][0] - counts[number][1]
            all_classes = sum(counts[other][0] - counts[other][1] for other in classes_of[group])
            side[group] = int((own, all_classes) > (0, 0))
            for other in classes_of[group]:
                counts[other][side[group]] += 1
    problems = [
        f"{Path(folder, TABLE)}: class {classes[number]}: {len(groups_of[number])} group(s), which all go to the "
        f"{'holdout and test' if test else 'training'} sets; expected at least two groups of cells of each class, so "
        "that no group is in both"
        for number, (train, test) in counts.items()
        if not train or not test
    ]
    if problems:
        raise CellFolderError("\n".join(problems))
    return [cell for cell in cells if not side[cell.group]], [cell for cell in cells if side[cell.group]]


def _planes(
    folder: str | os.PathLike, names: Sequence[str]
) -> tuple[dict[str, tuple[ImagePlane, ...]], list[str]]:
    """Images of each cell, and a message for each cell that lacks some."""
    try:
        files = {path.name for path in Path(folder).iterdir()}
    except OSError as error:
        raise CellFolderError(f"{folder}: cannot be read: {error.strerror}") from error
    planes, problems = {}, []
    for name in dict.fromkeys(names):
        found = {
            channel: next(
                (f"{name}_{channel}{end}" for end in ENDINGS if f"{name}_{channel}{end}" in files), None
            )
            for channel in CHANNELS
        }
        lacking = [f"{name}_{channel}.png" for channel, file in found.items() if file is None]
        if lacking:
            problems.append(
                f"{folder}: cell {name}: there is no {', '.join(lacking)}, and no JPEG or TIFF either"
            )
        planes[name] = tuple(ImagePlane(str(Path(folder, file))) for file in found.values() if file)
    return planes, problems
