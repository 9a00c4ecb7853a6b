"""Simulated data sets on disk, laid out like the data that a user provides."""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from puzzlecell.config.simulation import SimulationSettings
from puzzlecell.data.raw_files import CHANNELS, channel_path
from puzzlecell.data.rle import encode_mask
from puzzlecell.data.tables import write_csv
from puzzlecell.errors import UserError
from puzzlecell.runtime.atomic import written_whole
from puzzlecell.runtime.orphans import end_with_parent
from puzzlecell.runtime.progress import Progress, no_progress
from puzzlecell.runtime.threads import limited_threads, set_threads
from puzzlecell.simulate.cell_folder import read_cell_folder, split_cells
from puzzlecell.simulate.composed import Kinds, compose_field, kinds_of
from puzzlecell.simulate.field import SimulatedField, simulate_field
from puzzlecell.simulate.patterns import PATTERNS

Draw = Callable[[str, int, SimulationSettings, int], SimulatedField]
"""Makes a field from the name of its data set, its index, settings and seed."""


def simulate_dataset(
    folder: str | os.PathLike,
    settings: SimulationSettings,
    seed: int,
    *,
    labelled: bool,
    held_out: bool = False,
    classes: Sequence[str] | None = None,
    negative: str | None = None,
    threads: int = 1,
    progress: Progress = no_progress,
) -> None:
    """Write a simulated data set, named after its folder.

    Writes these files; the tables come last:

    - `images/<ID>_{red,green,blue,yellow}.png`
    - `cells/<ID>_{cells,nuclei}.png`, only with `true_masks`: 16-bit label images, 0 = background; of fields composed
      of images of cells (`cells_from`), only the cells
    - `truth.csv`: ground-truth labels and masks of each cell
    - `labels.csv`

    The same settings, seed and folder name give the same files for any number of threads. The existing fields
    do not change when more are requested.

    Args:
        labelled: labels.csv has the columns `ID,Label` (classes joined by `|`), otherwise only `ID` (a test set).
        held_out: compose the fields of cells of the holdout and test sets; only with `cells_from`.
        classes: names of the classes; one per pattern, plus Negative. With `cells_from`, any classes, and required.
        negative: name of the class of cells that show nothing, or None; only with `cells_from`.
        threads: number of processes, at least 1.
        progress: called after each field with the number of fields done and their total number.

    Raises ValueError if `threads` is wrong, and UserError if the number of classes is, or for cells that cannot be
    used.
    """
    if threads < 1:
        raise ValueError(f"threads: found {threads}, expected at least 1")
    if settings.cells_from is None and classes is not None and len(classes) != PATTERNS + 1:
        raise UserError(
            f"simulated fields show the {PATTERNS} patterns of the Human Protein Atlas and Negative, but there are "
            f"{len(classes)} classes; use your own data with other classes"
        )
    folder = Path(folder).resolve()
    draw: Draw = simulate_field
    if settings.cells_from is not None:
        draw = partial(compose_field, kinds=_kinds(settings, held_out, classes or (), negative))
    labels, truth = [], []
    for done, (label, row) in enumerate(
        _fields(partial(_make, folder, draw, settings, seed), settings.fields, threads), start=1
    ):
        labels.append(label)
        truth.append(row)
        progress(done, settings.fields)
    table = pd.DataFrame(labels, columns=["ID", "Label"])
    truth = pd.DataFrame(truth, columns=["ID", "ImageWidth", "ImageHeight", "PredictionString"])
    write_csv(folder / "truth.csv", truth)
    write_csv(folder / "labels.csv", table if labelled else table[["ID"]])


def _kinds(
    settings: SimulationSettings, held_out: bool, classes: Sequence[str], negative: str | None
) -> Kinds:
    """Read the cells that the fields of a data set are composed of."""
    cells = read_cell_folder(str(settings.cells_from), classes)
    training, others = split_cells(cells, classes, str(settings.cells_from))
    number = None if negative is None else list(classes).index(negative)
    return kinds_of(others if held_out else training, settings, number)


def _fields(
    make: Callable[[int], tuple[tuple, tuple]], fields: int, threads: int
) -> Iterator[tuple[tuple, tuple]]:
    """Make the fields in order and yield the row of labels.csv and of truth.csv for each."""
    if threads == 1:
        with limited_threads(1):
            yield from map(make, range(fields))
        return
    # Forking a process that runs threads (PyTorch, OpenCV) can deadlock; a spawned one starts clean.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(threads, mp_context=context, initializer=_start_worker) as pool:
        yield from pool.map(make, range(fields), chunksize=8)


def _start_worker() -> None:
    set_threads(1)
    end_with_parent()


def _make(
    folder: Path, draw: Draw, settings: SimulationSettings, seed: int, index: int
) -> tuple[tuple, tuple]:
    """Simulate and write one field; return its rows of labels.csv and truth.csv."""
    field = draw(folder.name, index, settings, seed)
    for channel, name in enumerate(CHANNELS):
        _write_png(channel_path(folder / "images", field.id, name), field.image[..., channel])
    if settings.true_masks:
        _write_png(folder / "cells" / f"{field.id}_cells.png", field.cells)
        if settings.cells_from is None:
            _write_png(folder / "cells" / f"{field.id}_nuclei.png", field.nuclei)
    return (field.id, "|".join(map(str, field.labels))), (
        field.id,
        settings.size,
        settings.size,
        truth_string(field),
    )


def _write_png(path: Path, image: np.ndarray) -> None:
    # No fsync: the tables, written last, show whether a data set is complete.
    with written_whole(path, durable=False) as partial_path:
        # Noise does not repeat: skipping the search for matches halves the time, and the file is no larger.
        options = [cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_HUFFMAN_ONLY]
        if not cv2.imwrite(str(partial_path), image, options):
            raise OSError(f"{path}: could not be written as PNG; is the disk full or the folder read-only?")


def truth_string(field: SimulatedField) -> str:
    """Return the `class 1 mask` triplets of a field, one per label of each cell, in the order of the cells."""
    triplets = []
    for number, shown in enumerate(field.cell_labels, start=1):
        mask = encode_mask(field.cells == number)
        triplets += [f"{label} 1 {mask}" for label in shown]
    return " ".join(triplets)
