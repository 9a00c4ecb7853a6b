"""Overlay images: fields with the outlines of their cells and nuclei."""

import os
from collections.abc import Sequence

import cv2
import numpy as np
from skimage.segmentation import find_boundaries

from puzzlecell.data.store import ShardReader
from puzzlecell.runtime.atomic import written_whole

CELL_COLOUR = (255, 255, 0)
NUCLEUS_COLOUR = (0, 255, 255)


def composite(image: np.ndarray) -> np.ndarray:
    """Convert a field, (S, S, 4) uint8 RGBY, to (S, S, 3) uint8 RGB.

    Each channel is stretched to its 99.8th percentile. Half of yellow is added to red and to green, as in the HPA's
    own images.
    """
    top = np.maximum(np.percentile(image, 99.8, axis=(0, 1)), 1)
    red, green, blue, yellow = np.moveaxis(np.clip(image / top, 0, 1), -1, 0)
    picture = np.stack([red + yellow / 2, green + yellow / 2, blue], axis=-1)
    return (np.clip(picture, 0, 1) * 255).astype(np.uint8)


def overlay(image: np.ndarray, cells: np.ndarray, nuclei: np.ndarray, side: int = 512) -> np.ndarray:
    """Draw the outlines of cells (yellow) and nuclei (cyan) on a field: (side, side, 3) uint8 RGB.

    image: (S, S, 4) uint8 RGBY; cells, nuclei: (M, M) label images, 0 = background.
    """
    picture = cv2.resize(
        composite(image), (side, side), interpolation=cv2.INTER_AREA if side < len(image) else 1
    )
    for labels, colour in ((nuclei, NUCLEUS_COLOUR), (cells, CELL_COLOUR)):
        enlarged = cv2.resize(labels.astype(np.uint16), (side, side), interpolation=cv2.INTER_NEAREST_EXACT)
        picture[find_boundaries(enlarged, mode="inner")] = colour
    return picture


def write_overlays(
    path: str | os.PathLike,
    store: str | os.PathLike,
    masks: str | os.PathLike,
    most: int = 6,
    columns: int = 3,
) -> None:
    """Write the first `most` fields of a shard with their outlines as one PNG; black for an empty shard."""
    fields, labels = ShardReader([store]), ShardReader([masks])
    tiles = [
        overlay(fields.read(name), labels.read(name, "cells"), labels.read(name, "nuclei"))
        for name in fields.ids[:most]
    ]
    with written_whole(path) as temporary:
        cv2.imwrite(str(temporary), cv2.cvtColor(_grid(tiles, columns), cv2.COLOR_RGB2BGR))


def _grid(tiles: Sequence[np.ndarray], columns: int) -> np.ndarray:
    if not tiles:
        return np.zeros((64, 64, 3), np.uint8)
    missing = -len(tiles) % min(columns, len(tiles))
    filled = [*tiles, *[np.zeros_like(tiles[0])] * missing]
    width = min(columns, len(tiles))
    return np.concatenate(
        [np.concatenate(filled[row : row + width], axis=1) for row in range(0, len(filled), width)]
    )
