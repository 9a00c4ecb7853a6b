"""Pictures of class activation maps for people: the field, and the field under its map in colours."""

import os
import re
from pathlib import Path

import cv2
import matplotlib
import numpy as np

from puzzlecell.data.activation_maps import resized_maps
from puzzlecell.segmentation.overlay import overlay

COLOURS = "inferno"
"""Colour map of matplotlib: its brightness rises evenly, so that it can be read without colours."""
SIDE = 512
"""Pixels of the longer side of the field in a picture."""
MOST = 0.75
"""Opacity of the map where it is 1."""
GAP, BAR = 8, 16
"""Pixels between the parts of a picture, and width of the bar of colours."""


def map_picture(
    image: np.ndarray,
    cells: np.ndarray,
    nuclei: np.ndarray,
    activation: np.ndarray,
    *,
    shape: tuple[int, int],
) -> np.ndarray:
    """Draw a field with outlines, beside it the same under a map, and a bar of the map's colours: RGB uint8.

    image: (S, S, 4) uint8 RGBY; cells, nuclei: (M, M) label images; activation: (h, w) float32 in [0, 1]. shape: height
    and width of the raw field, whose proportions the picture has. The bar runs from 0 (below) to 1 (above).
    """
    field = overlay(image, cells, nuclei, SIDE)
    (value,) = np.clip(resized_maps(activation[None].astype(np.float32), SIDE, SIDE), 0, 1)
    colours = matplotlib.colormaps[COLOURS]
    grey = np.repeat(field.mean(axis=2, keepdims=True), 3, axis=2)
    opacity = MOST * value[..., None]
    under = grey * (1 - opacity) + 255 * colours(value)[..., :3] * opacity
    height, width = (max(1, round(SIDE * side / max(shape))) for side in shape)
    bar = 255 * colours(np.repeat(np.linspace(1, 0, height)[:, None], BAR, axis=1))[..., :3]
    gap = np.full((height, GAP, 3), 255)
    parts = [_sized(field, height, width), gap, _sized(under, height, width), gap, bar]
    return np.concatenate(parts, axis=1).round().astype(np.uint8)


def picture_path(folder: str | os.PathLike, field_id: str, number: int, name: str) -> Path:
    """Path of the picture of a class, such as `A01.07 Golgi apparatus.png`.

    Letters, digits, spaces and `_-` of the name are kept; any other character becomes `_`.
    """
    return Path(folder, f"{field_id}.{number:02d} {re.sub(r'[^A-Za-z0-9 _-]', '_', name)[:30].strip()}.png")


def write_picture(path: str | os.PathLike, picture: np.ndarray) -> None:
    """Write an RGB picture as PNG. Raises OSError if it cannot be written."""
    _, content = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    Path(path).write_bytes(content.tobytes())


def _sized(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    return cv2.resize(picture.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
