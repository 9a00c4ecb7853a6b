"""Crops of single cells of a fixed physical size, for networks that were trained on such crops."""

from collections.abc import Sequence

import cv2
import numpy as np

from puzzlecell.data.cell_crops import Box
from puzzlecell.data.label_images import nearest_index
from puzzlecell.data.raw_files import CHANNELS


def physical_crop(
    image: np.ndarray,
    labels: np.ndarray,
    number: int,
    box: Box,
    *,
    crop: tuple[float, float],
    size: int,
    mask: str = "none",
) -> np.ndarray:
    """Cut a square of a fixed physical size around the centre of a cell's bounding box: (size, size, 4) float32.

    image: (H, W, 4) of any type. labels: (M, M) label image of the same field; the box is in its pixels. crop: height
    and width of the square in pixels of the image, which need not be whole. What lies outside the field is 0. mask:
    `none`, or what is set to 0: the `others`, or all `outside` the cell.
    """
    shape = np.array(image.shape[:2])
    per_label = shape / np.array(labels.shape)
    centre = np.array([side.start + side.stop for side in box]) / 2 * per_label
    low = np.round(centre - np.array(crop) / 2).astype(int)
    high = low + np.maximum(np.round(crop).astype(int), 1)
    first, last = np.clip(low, 0, shape), np.clip(high, 0, shape)
    pixels = image[first[0] : last[0], first[1] : last[1]]
    if mask != "none":
        rows, columns = (nearest_index(n, size_) for n, size_ in zip(labels.shape, shape, strict=True))
        owners = labels[rows[first[0] : last[0], None], columns[None, first[1] : last[1]]]
        shown = owners == number
        if mask == "others":
            shown |= owners == 0
        pixels = np.where(shown[..., None], pixels, 0)
    square = np.zeros((*(high - low), pixels.shape[2]), np.float32)
    top, left = first - low
    square[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels
    if square.shape[:2] == (size, size):
        return square
    shrinks = max(square.shape[:2]) > size
    return cv2.resize(square, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def scaled_channels(crop: np.ndarray, channels: Sequence[str], scaling: str) -> np.ndarray:
    """Channels of a crop (size, size, 4) in another order, scaled to [0, 1]: (channels, size, size) float32.

    scaling: by the minimum and maximum of each `channel`, or of `all` these channels together. What is constant is 0.
    """
    chosen = (
        crop[..., [CHANNELS.index(channel) for channel in channels]].transpose(2, 0, 1).astype(np.float32)
    )
    axes = (1, 2) if scaling == "channel" else (0, 1, 2)
    low, high = chosen.min(axis=axes, keepdims=True), chosen.max(axis=axes, keepdims=True)
    extent = np.where(high > low, high - low, 1)
    return (chosen - low) / extent
