"""Class activation maps of a shard: which fields and classes, the shard of maps, and pictures for people."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from puzzlecell.calibration.apply import calibrated_columns, with_calls
from puzzlecell.config.workflow import Configuration
from puzzlecell.data.calibration_table import read_calibration
from puzzlecell.data.store import ShardReader
from puzzlecell.data.tables import class_columns, read_parts
from puzzlecell.ensemble.combine import ensemble_cells, mean_table
from puzzlecell.errors import UserError
from puzzlecell.inference.class_maps import MapStage, write_class_maps
from puzzlecell.runtime.messages import first_few
from puzzlecell.runtime.progress import Progress, no_progress
from puzzlecell.viewer.map_pictures import map_picture, picture_path, write_picture

CALLED = 0.5
"""Lowest probability at which a class counts as called for a cell without calibration."""


@dataclass(frozen=True)
class ShardTables:
    """Tables of one shard from which the ensemble is computed; none if the classes are given."""

    cells: Sequence[str | os.PathLike]
    members: Sequence[str | os.PathLike]
    images: Sequence[str | os.PathLike]
    calibration: Sequence[str | os.PathLike] = ()


def write_cams(
    path: str | os.PathLike,
    folder: str | os.PathLike,
    *,
    store: str | os.PathLike,
    masks: str | os.PathLike,
    models: Sequence[str | os.PathLike],
    tables: ShardTables,
    names: Sequence[str],
    settings: Configuration,
    negative: int | None,
    fields: Sequence[str] | None = None,
    device: str = "cpu",
    threads: int = 1,
    progress: Progress = no_progress,
) -> None:
    """Write the maps of a shard (`write_class_maps`), and a picture of each map into a folder.

    models: networks of all folds of the members of step 1, member for member. names: of the classes. fields: IDs of the
    fields; None for all. Raises UserError naming fields that are not stored.
    """
    stored, labels = ShardReader([store]), ShardReader([masks])
    absent = [field_id for field_id in fields or () if field_id not in stored]
    if absent:
        raise UserError(
            f"cams.fields: {first_few(absent, 5)} not in {store}; the ID is wrong, or the field was rejected"
        )
    wanted = stored.ids if fields is None else list(dict.fromkeys(fields))
    if settings.cams.classes is None:
        shown = shown_classes(*_ensemble(tables, names, settings, negative), stored.ids)
    else:
        given = np.isin(np.array(names, dtype=object), settings.cams.classes)
        shown = dict.fromkeys(stored.ids, given)
    members = [member for member in settings.ensemble.members if member.step == 1]
    folds = len(models) // len(members)
    stages = [
        MapStage(models[number * folds : (number + 1) * folds], member.weight)
        for number, member in enumerate(members)
    ]
    Path(folder).mkdir(parents=True, exist_ok=True)
    write_class_maps(
        path,
        stored,
        {field_id: shown[field_id] for field_id in wanted},
        stages,
        settings.step1,
        classes=len(names),
        device=device,
        threads=threads,
        progress=progress,
        show=_drawer(Path(folder), stored, labels, names, shown),
    )


def shown_classes(
    cells: pd.DataFrame, columns: Sequence[str], thresholds: Sequence[float], ids: Iterable[str]
) -> dict[str, np.ndarray]:
    """Return the classes (C,) bool of each field that are called for one of its cells or are most probable in one.

    cells: table with `ID`, the probabilities `p00 ...`, and `columns` (C), which reach `thresholds` (C) where a class
    is called. ids: all fields; one without cells has no classes.
    """
    probabilities = cells[class_columns(cells)].to_numpy()
    said = cells[list(columns)].to_numpy() >= np.asarray(thresholds)
    most = probabilities.argmax(axis=1)
    # A cell all of whose probabilities are 0 has no most probable class.
    some = np.flatnonzero(probabilities.max(axis=1, initial=0) > 0)
    said[some, most[some]] = True
    found = {field_id: np.zeros(probabilities.shape[1], bool) for field_id in ids}
    for field_id, row in zip(cells["ID"], said, strict=True):
        found[field_id] |= row
    return found


def _ensemble(
    tables: ShardTables, names: Sequence[str], settings: Configuration, negative: int | None
) -> tuple[pd.DataFrame, list[str], list[float]]:
    """The ensemble's table of the cells of a shard, the columns in which classes are called, and their thresholds."""
    members = read_parts(tables.members, len(settings.ensemble.members))
    found = ensemble_cells(
        read_parts(tables.cells, 1)[0],
        [(table, member.weight) for table, member in zip(members, settings.ensemble.members, strict=True)],
        mean_table([(table, 1.0) for table in read_parts(tables.images, len(tables.images))]),
        settings.ensemble,
        negative=negative,
    )
    if not tables.calibration:
        return found, class_columns(found), [CALLED] * len(names)
    rows = read_calibration(tables.calibration[0], names)
    limits = [np.inf if row.threshold is None else row.threshold for row in rows]
    return with_calls(found, rows, names), calibrated_columns(len(names)), limits


def _drawer(
    folder: Path,
    store: ShardReader,
    masks: ShardReader,
    names: Sequence[str],
    shown: Mapping[str, np.ndarray],
) -> Callable[[str, np.ndarray], None]:
    """Return a function that writes the pictures of the maps (C, h, w) of a field."""

    def draw(field_id: str, maps: np.ndarray) -> None:
        row = store.table.loc[field_id]
        image, cells, nuclei = (
            store.read(field_id),
            masks.read(field_id, "cells"),
            masks.read(field_id, "nuclei"),
        )
        shape = int(row["height"]), int(row["width"])
        for number in np.flatnonzero(shown[field_id]).tolist():
            picture = map_picture(image, cells, nuclei, maps[number], shape=shape)
            write_picture(picture_path(folder, field_id, number, names[number]), picture)

    return draw
