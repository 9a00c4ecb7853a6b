"""Class activation maps of a shard: which fields and classes, the shard of maps, and pictures for people."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from puzzlecell.config.cams import CamSettings
from puzzlecell.config.steps import Step1Settings
from puzzlecell.data.store import ShardReader
from puzzlecell.errors import UserError
from puzzlecell.inference.class_maps import MapStage, write_class_maps
from puzzlecell.runtime.messages import first_few
from puzzlecell.runtime.progress import Progress, no_progress
from puzzlecell.viewer.cells import UNCALIBRATED, EnsembleRules, ShardCells, ShardFiles, shard_cells
from puzzlecell.viewer.map_pictures import map_picture, picture_path, write_picture


def write_cams(
    path: str | os.PathLike,
    folder: str | os.PathLike,
    *,
    files: ShardFiles,
    models: Sequence[str | os.PathLike],
    rules: EnsembleRules,
    settings: CamSettings,
    step1: Step1Settings,
    fields: Sequence[str] | None = None,
    device: str = "cpu",
    threads: int = 1,
    progress: Progress = no_progress,
) -> None:
    """Write the maps of a shard (`write_class_maps`), and a picture of each map into a folder.

    files: of the shard; if the classes are given (`cams.classes`), only its store and masks are read. models: networks
    of all folds of the members of step 1, member for member. fields: IDs of the fields; None for all. Raises UserError
    naming fields that are not stored.
    """
    stored, labels, names = ShardReader([files.store]), ShardReader([files.masks]), rules.names
    absent = [field_id for field_id in fields or () if field_id not in stored]
    if absent:
        raise UserError(
            f"cams.fields: {first_few(absent, 5)} not in {files.store}; the ID is wrong, or the field was rejected"
        )
    wanted = stored.ids if fields is None else list(dict.fromkeys(fields))
    if settings.classes is None:
        shown = shown_classes(shard_cells(files, rules), stored.ids)
    else:
        given = np.isin(np.array(names, dtype=object), settings.classes)
        shown = dict.fromkeys(stored.ids, given)
    members = [member for member in rules.settings.members if member.step == 1]
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
        step1,
        classes=len(names),
        device=device,
        threads=threads,
        progress=progress,
        show=_drawer(Path(folder), stored, labels, names, shown),
    )


def shown_classes(cells: ShardCells, ids: Iterable[str]) -> dict[str, np.ndarray]:
    """Return the classes (C,) bool of each field that are called for one of its cells or are most probable in one.

    ids: all fields; one without cells has no classes. Without calibration, a class is called at 0.5.
    """
    said = cells.probabilities >= UNCALIBRATED if cells.called is None else cells.called.copy()
    # A cell all of whose probabilities are 0 has no most probable class.
    some = np.flatnonzero(cells.probabilities.max(axis=1, initial=0) > 0)
    said[some, cells.probabilities[some].argmax(axis=1)] = True
    found = {field_id: np.zeros(said.shape[1], bool) for field_id in ids}
    for field_id, row in zip(cells.table["ID"], said, strict=True):
        found[field_id] |= row
    return found


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
