"""Pictures of cells and fields, several in one file: their four channels side by side, grey."""

import math
from collections.abc import Sequence

import cv2
import numpy as np

PER_SHEET = 32
"""Cells in a file: few enough that a page that shows one of them need not decode many."""
CONTEXT = 1.2
"""Side of the square that a cell's picture shows, in sides of the cell's bounding box."""


def crop_squares(boxes: np.ndarray, heights: np.ndarray, widths: np.ndarray) -> np.ndarray:
    """Square around each cell (n, 3) int32: y0, x0, side in pixels of the original field.

    boxes: (n, 4) y0, x0, y1, x1. heights, widths: (n,) of their fields. The square lies inside the field as far as it
    fits; what is outside is black in the picture.
    """
    y0, x0, y1, x1 = boxes.astype(np.int64).T
    side = np.maximum(np.ceil(np.maximum(y1 - y0, x1 - x0) * CONTEXT).astype(np.int64), 1)

    def start(low: np.ndarray, high: np.ndarray, whole: np.ndarray) -> np.ndarray:
        centred = (low + high - side) // 2
        inside = np.clip(centred, 0, np.maximum(whole - side, 0))
        return np.where(side <= whole, inside, (whole - side) // 2)

    return np.stack([start(y0, y1, heights), start(x0, x1, widths), side], axis=1).astype(np.int32)


def stretched(image: np.ndarray, black: np.ndarray, white: np.ndarray) -> np.ndarray:
    """Channels from black to white: (h, w, 4) uint8. black, white: (4,) grey levels, black below white."""
    low, high = black.astype(np.float32), white.astype(np.float32)
    return np.clip((image - low) * (255 / (high - low)) + 0.5, 0, 255).astype(np.uint8)


def cell_picture(image: np.ndarray, square: np.ndarray, size: tuple[int, int], tile: int) -> np.ndarray:
    """Picture of one cell: (tile, 4 * tile) uint8, the channels from left to right.

    image: (S, S, 4) uint8 stored field with stretched channels. square: y0, x0, side in pixels of the original field,
    whose height and width are `size`. Each pixel is the mean of what it covers, by bilinear interpolation.
    """
    y0, x0, side = (float(value) for value in square)
    scale_y, scale_x = image.shape[0] / size[0], image.shape[1] / size[1]
    finer = max(1, math.ceil(side * max(scale_y, scale_x) / tile))
    wanted = tile * finer
    step_y, step_x = side * scale_y / wanted, side * scale_x / wanted
    # Pixel centres: wanted pixel i lies at (i + 0.5) * step from the edge of the square.
    transform = np.array(
        [
            [step_x, 0, x0 * scale_x + step_x / 2 - 0.5],
            [0, step_y, y0 * scale_y + step_y / 2 - 0.5],
        ]
    )
    inside = x0 >= 0 and y0 >= 0 and x0 + side <= size[1] and y0 + side <= size[0]
    picture = cv2.warpAffine(
        image,
        transform,
        (wanted, wanted),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE if inside else cv2.BORDER_CONSTANT,
    )
    return side_by_side(cv2.resize(picture, (tile, tile), interpolation=cv2.INTER_AREA))


def field_picture(image: np.ndarray, tile: int) -> np.ndarray:
    """Picture of a field: (tile, 4 * tile) uint8. image: (S, S, 4) uint8 with stretched channels, S at least `tile`."""
    return side_by_side(cv2.resize(image, (tile, tile), interpolation=cv2.INTER_AREA))


def side_by_side(image: np.ndarray) -> np.ndarray:
    """Channels (h, w, 4) from left to right: (h, 4 * w)."""
    return np.concatenate(list(np.moveaxis(image, -1, 0)), axis=1)


def sheet(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Pictures of cells from top to bottom."""
    return np.concatenate(list(pictures), axis=0)


def webp(picture: np.ndarray, quality: int) -> bytes:
    """Encode a grey picture (h, w) uint8."""
    found, content = cv2.imencode(".webp", picture, [cv2.IMWRITE_WEBP_QUALITY, quality])
    if not found:
        raise ValueError(f"a picture of {picture.shape} cannot be encoded as WebP")
    return content.tobytes()
