"""A single cell cut out of its images, and turned."""

from functools import lru_cache

import cv2
import numpy as np

from puzzlecell.data.field_sources import FieldSource
from puzzlecell.data.fields import read_field
from puzzlecell.simulate.camera import PEAK
from puzzlecell.simulate.cell_folder import CellFolderError, CellImage

SMALLEST = 30
"""Pixels in a field that a cell covers at least."""


# A cell is in several fields, and reading its images takes longer than all else.
@lru_cache(maxsize=1000)
def cut_cell(cell: CellImage, scale: float, edge: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the signal of a cell, (h, w, 4) float32, and its body, (h, w) bool, at the scale of the fields.

    The body is the largest part that is brighter than the black around it, without holes; outside, the signal is 0. It
    is 1 at `PEAK` of the full range. Do not change the arrays: they are kept.

    scale, edge: see `cell_scale` and `cell_edge` of the settings. Raises FieldError for images that cannot be read,
    and CellFolderError if there is no cell in them.
    """
    image = read_field({cell.name: FieldSource(cell.planes)}, cell.name)
    if image.dtype == np.float32:
        raise CellFolderError(f"{cell.planes[0]}: decimal numbers; expected an image with 8 or 16 bits")
    most = np.iinfo(image.dtype).max
    shown = (image[..., [0, 2, 3]].max(axis=-1) >= edge * most).astype(np.uint8)
    gap = max(3, round(0.018 * max(shown.shape)) | 1)
    shown = cv2.morphologyEx(shown, cv2.MORPH_CLOSE, np.ones((gap, gap), np.uint8))
    count, parts, stats, _ = cv2.connectedComponentsWithStats(shown)
    body = np.zeros_like(shown)
    if count > 1:
        largest = parts == 1 + stats[1:, cv2.CC_STAT_AREA].argmax()
        outline, _ = cv2.findContours(largest.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(body, outline, -1, 1, -1)
    if body.sum() * scale**2 < SMALLEST:
        raise CellFolderError(
            f"{cell.planes[0]} and its other channels: there is no cell: {int(body.sum())} connected pixels have "
            f"at least {edge:g} of the full range in red, blue or yellow, which is {body.sum() * scale**2:.0f} at "
            f"cell_scale {scale:g}; expected at least {SMALLEST}: remove the cell, or lower cell_edge"
        )
    signal = image.astype(np.float32) / (most * PEAK) * body[..., None]
    return _boxed(*_scaled(signal, body, scale))


def turned(signal: np.ndarray, body: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return a cell turned by any angle, mirrored or not, and up to a tenth larger or smaller, in its box."""
    height, width = body.shape
    size = rng.uniform(0.9, 1.1)
    side = int(np.ceil(size * np.hypot(height, width))) + 2
    turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), rng.uniform(0, 360), size)
    turn[:, 2] += (side - width) / 2, (side - height) / 2
    signal = cv2.warpAffine(signal, turn, (side, side), flags=cv2.INTER_LINEAR)
    body = cv2.warpAffine(body.astype(np.uint8), turn, (side, side), flags=cv2.INTER_NEAREST) > 0
    if rng.random() < 0.5:
        signal, body = signal[:, ::-1], body[:, ::-1]
    return _boxed(signal, body)


def _scaled(signal: np.ndarray, body: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    if scale == 1:
        return signal, body > 0
    height, width = (max(1, round(scale * side)) for side in body.shape)
    # Averages over the area of a pixel, so that nothing finer than the new pixels is left.
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    signal = cv2.resize(signal, (width, height), interpolation=how)
    return signal, cv2.resize(body.astype(np.float32), (width, height), interpolation=how) >= 0.5


def _boxed(signal: np.ndarray, body: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cut to the box of the body; the signal is 0 outside the body."""
    rows, columns = np.flatnonzero(body.any(axis=1)), np.flatnonzero(body.any(axis=0))
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    return signal[box] * body[box][..., None], body[box]
