"""A simulated data set on disk, laid out as data that a user would provide."""

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from puzzlecell.config.simulation import SimulationSettings
from puzzlecell.data.raw_files import CHANNELS, channel_path
from puzzlecell.data.rle import encode_mask
from puzzlecell.runtime.atomic import written_whole
from puzzlecell.runtime.progress import Progress, no_progress
from puzzlecell.runtime.threads import limited_threads, set_threads
from puzzlecell.simulate.field import SimulatedField, simulate_field
from puzzlecell.simulate.patterns import PATTERNS


def simulate_dataset(
    folder: str | os.PathLike,
    settings: SimulationSettings,
    seed: int,
    *,
    labelled: bool,
    classes: Sequence[str] | None = None,
    threads: int = 1,
    progress: Progress = no_progress,
) -> None:
    """Write a simulated data set; its name is that of the folder.

    Makes `images/<ID>_{red,green,blue,yellow}.png`, `truth.csv` (labels and masks of each cell), `labels.csv`
    and, with `true_masks`, `cells/<ID>_{cells,nuclei}.png` (16-bit label images, 0 = background). The same
    settings, seed and name of the folder give the same files, however many threads, and the first fields stay
    when more are asked for. The tables are written last.

    Args:
        labelled: labels.csv has the columns `ID,Label` (classes joined by `|`), else only `ID` (a test set).
        classes: names of the classes, of which there must be one per pattern and Negative.
        progress: called with the fields done and the fields in all after each field.
        threads: processes to use, at least 1.
    """
    if threads < 1:
        raise ValueError(f"threads: found {threads}, expected at least 1")
    if classes is not None and len(classes) != PATTERNS + 1:
        raise ValueError(
            f"simulated fields show the {PATTERNS} patterns of the Human Protein Atlas and Negative, but there are "
            f"{len(classes)} classes; use data of your own with other classes"
        )
    folder = Path(folder).resolve()
    labels, truth = [], []
    for done, (label, row) in enumerate(_fields(folder, settings, seed, threads), start=1):
        labels.append(label)
        truth.append(row)
        progress(done, settings.fields)
    table = pd.DataFrame(labels, columns=["ID", "Label"])
    truth = pd.DataFrame(truth, columns=["ID", "ImageWidth", "ImageHeight", "PredictionString"])
    with written_whole(folder / "truth.csv") as path:
        truth.to_csv(path, index=False, lineterminator="\n")
    with written_whole(folder / "labels.csv") as path:
        (table if labelled else table[["ID"]]).to_csv(path, index=False, lineterminator="\n")


def _fields(
    folder: Path, settings: SimulationSettings, seed: int, threads: int
) -> Iterator[tuple[tuple, tuple]]:
    """Rows of labels.csv and truth.csv, in order of the fields, as the fields are written."""
    make = partial(_make, folder, settings, seed)
    if threads == 1:
        with limited_threads(1):
            yield from map(make, range(settings.fields))
        return
    # Forking a process that runs threads (PyTorch, OpenCV) can hang; a spawned one starts clean.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(threads, mp_context=context, initializer=set_threads, initargs=(1,)) as pool:
        yield from pool.map(make, range(settings.fields), chunksize=8)


def _make(folder: Path, settings: SimulationSettings, seed: int, index: int) -> tuple[tuple, tuple]:
    """Simulate and write one field; its rows of labels.csv and truth.csv."""
    field = simulate_field(folder.name, index, settings, seed)
    for channel, name in enumerate(CHANNELS):
        _write_png(channel_path(folder / "images", field.id, name), field.image[..., channel])
    if settings.true_masks:
        _write_png(folder / "cells" / f"{field.id}_cells.png", field.cells)
        _write_png(folder / "cells" / f"{field.id}_nuclei.png", field.nuclei)
    return (field.id, "|".join(map(str, field.labels))), (
        field.id,
        settings.size,
        settings.size,
        truth_string(field),
    )


def _write_png(path: Path, image: np.ndarray) -> None:
    # The tables, written last, tell whether a data set is whole.
    with written_whole(path, durable=False) as partial_path:
        # Noise has no repeats: without the search for them the file is as small and written in half the time.
        options = [cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_HUFFMAN_ONLY]
        if not cv2.imwrite(str(partial_path), image, options):
            raise OSError(f"{path}: could not be written as PNG; is the disk full or the folder read-only?")


def truth_string(field: SimulatedField) -> str:
    """`class 1 mask` triplets of a field, one for each label of each cell, in order of the cells."""
    triplets = []
    for number, shown in enumerate(field.cell_labels, start=1):
        mask = encode_mask(field.cells == number)
        triplets += [f"{label} 1 {mask}" for label in shown]
    return " ".join(triplets)
