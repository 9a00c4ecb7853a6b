"""A sheet of pictures of cells with their outlines."""

import os

import cv2
import numpy as np
import pandas as pd
from skimage.segmentation import find_boundaries

from puzzlecell.data.cell_crops import numbered_boxes
from puzzlecell.embedding.run_embeddings import RunEmbeddings, run_fields
from puzzlecell.runtime.atomic import written_whole
from puzzlecell.segmentation.overlay import CELL_COLOUR, composite

TILE = 220
"""Side of a picture in pixels."""
CONTEXT = 1.3
"""Side of the square that a picture shows, in sides of the cell's bounding box."""
COLUMNS = 5


def cell_tile(picture: np.ndarray, labels: np.ndarray, number: int) -> np.ndarray:
    """Picture (TILE, TILE, 3) uint8 RGB of a cell, with its outline; black beyond the field.

    picture: (S, S, 3) uint8 RGB of the field. labels: (M, M) label image of the same field, of any size.
    """
    (box,) = (box for found, box in numbered_boxes(labels) if found == number)
    low, high = (np.array([getattr(side, end) for side in box]) for end in ("start", "stop"))
    side = max(1.0, CONTEXT * float((high - low).max()))
    centre = (low + high) / 2

    def cut(image: np.ndarray, how: int) -> np.ndarray:
        # From pixels of the tile to those of the image; both have their origin at the centre of the first pixel.
        scale = len(image) / len(labels)
        step = side * scale / TILE
        y, x = (centre - side / 2) * scale + step / 2 - 0.5
        transform = np.array([[step, 0, x], [0, step, y]])
        return cv2.warpAffine(image, transform, (TILE, TILE), flags=how | cv2.WARP_INVERSE_MAP)

    tile = cut(picture, cv2.INTER_LINEAR)
    mask = cut((labels == number).astype(np.uint8), cv2.INTER_NEAREST)
    tile[find_boundaries(mask, mode="inner")] = CELL_COLOUR
    return tile


def write_sheet(path: str | os.PathLike, run: RunEmbeddings, found: pd.DataFrame) -> None:
    """Write a PNG with a picture of each cell of `look_alikes`, the first of them marked as the one that was asked for.

    Red, green and blue are the field's, each stretched to its 99.8th percentile; half of yellow is added to red and to
    green.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    store, masks = run_fields(run)
    rows = -(-len(found) // COLUMNS)
    figure = Figure(figsize=(2.4 * COLUMNS, 2.9 * rows + 0.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for axis in axes:
        axis.set_axis_off()
    for axis, row in zip(axes, found.itertuples(index=False, name=None), strict=False):
        rank, field_id, cell, distance, name, probability = row
        axis.imshow(cell_tile(composite(store.read(field_id)), masks.read(field_id, "cells"), cell))
        first = "this cell" if rank == 0 else f"{rank}. distance {distance:.3f}"
        said = f"{_short(name)} {probability:.2f}" if name else "no class"
        title = f"{first}\n{_short(field_id)}, {cell}\n{said}"
        axis.set_title(title, fontsize=8, fontweight="bold" if rank == 0 else "normal")
    figure.suptitle(f"{run.dataset}, embeddings of {run.member}", fontsize=10)
    with written_whole(path) as temporary:
        figure.savefig(temporary, dpi=110)


def _short(text: str, most: int = 28) -> str:
    """A text cut in the middle; dollar signs would begin a formula."""
    shown = text if len(text) <= most else f"{text[: most // 2 - 1]}...{text[-(most // 2 - 2) :]}"
    return shown.replace("$", r"\$")
