"""Crops of single cells: how they are cut from a field, and how a network's maps are pooled under a cell."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from scipy.ndimage import find_objects

from puzzlecell.config.steps import Step2Settings, crop_problem
from puzzlecell.data.label_images import nearest_index
from puzzlecell.errors import UserError

Box = tuple[slice, slice]
"""Rows and columns of a cell's bounding box."""


@dataclass(frozen=True)
class CropGeometry:
    """How cells are cropped: sides of the canvas and of the field as the network sees it, in pixels, and settings."""

    canvas: int
    field_size: int
    fixed: bool
    margin: float
    mask: str
    padding: str


def crop_geometry(
    settings: Step2Settings, field_size: int, crop_size: int, *, output_stride: int = 32
) -> CropGeometry:
    """Geometry for a network that sees fields of `field_size` pixels and was trained on crops of `crop_size`.

    Raises UserError for a configured canvas that the output stride does not divide.
    """
    fixed = settings.scale == "fixed"
    canvas = crop_size
    if fixed:
        step = canvas_step(output_stride)
        problem = crop_problem(settings.crop, output_stride)
        if problem:
            raise UserError(f"step2.crop: {problem}")
        canvas = settings.crop or -(-field_size // (2 * step)) * step
    return CropGeometry(canvas, field_size, fixed, settings.margin, settings.mask, settings.padding)


def canvas_step(output_stride: int) -> int:
    """Pixels of which the sides of canvases are multiples: 32, or twice a stride that does not divide 32."""
    return 32 if 32 % output_stride == 0 else 2 * output_stride


def numbered_boxes(labels: np.ndarray) -> list[tuple[int, Box]]:
    """Return the numbers of the cells of a label image, in increasing order, and their bounding boxes."""
    return [(number, box) for number, box in enumerate(find_objects(labels), start=1) if box is not None]


def cut_cells(image: np.ndarray, labels: np.ndarray, geometry: CropGeometry) -> tuple[np.ndarray, np.ndarray]:
    """Crop all cells of a field, in increasing order of their numbers.

    Returns the crops (n, canvas, canvas, 4) uint8, and for each crop pixel the share (n, canvas, canvas) uint8 that
    belongs to the cell, 255 for all of it.
    image: (H, W, 4) uint8 RGBY, of any size; labels: (M, M) unsigned label image of the same field, of any size. A crop
    shows the cell's bounding box and a margin on a square canvas. At a fixed scale, a crop pixel is a pixel of the
    field at `field_size`, unless the box exceeds the canvas; otherwise the longer side of the box fills the canvas.
    """
    crops = [cut_cell(image, labels, number, box, geometry) for number, box in numbered_boxes(labels)]
    stacked = np.stack(crops) if crops else np.empty((0, geometry.canvas, geometry.canvas, 5), np.uint8)
    return stacked[..., :4], stacked[..., 4]


def cut_cell(
    image: np.ndarray, labels: np.ndarray, number: int, box: Box, geometry: CropGeometry
) -> np.ndarray:
    """Crop one cell as `cut_cells` does: (canvas, canvas, 5) uint8, with the cell's share as fifth channel.

    box: its bounding box in pixels of the label image. Of the field, only what the crop shows is read.
    """
    # Corners are (y, x) in pixels of the field at `field_size`, except `first` and `last`, which are in image pixels.
    low, high, origin, scale = _square(labels.shape, box, geometry)
    per_pixel = np.array(image.shape[:2]) / geometry.field_size
    first = np.round(np.maximum(low, 0) * per_pixel).astype(int)
    last = np.round(np.minimum(high, geometry.field_size) * per_pixel).astype(int)
    last = np.maximum(last, first + 1)
    pixels = image[first[0] : last[0], first[1] : last[1]]
    rows, columns = (nearest_index(n, size) for n, size in zip(labels.shape, image.shape[:2], strict=True))
    owners = labels[rows[first[0] : last[0], None], columns[None, first[1] : last[1]]]
    shown = owners == number
    if geometry.mask != "none":
        visible = shown | (owners == 0) if geometry.mask == "others" else shown
        pixels = np.where(visible[..., None], pixels, 0)
    share: np.ndarray = np.where(shown, 255, 0).astype(np.uint8)
    height, width = np.clip(np.round((last - first) / per_pixel * scale), 1, geometry.canvas).astype(int)
    if (height, width) != share.shape:
        shrinks = height < share.shape[0] or width < share.shape[1]
        how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        pixels, share = (cv2.resize(a, (width, height), interpolation=how) for a in (pixels, share))
    room = geometry.canvas - np.array([height, width])
    top, left = np.clip(np.round((first / per_pixel - origin) * scale), 0, room).astype(int)
    crop = np.zeros((geometry.canvas, geometry.canvas, 5), np.uint8)
    crop[top : top + height, left : left + width] = np.dstack([pixels, share])
    return crop


def fitting_canvas(shape: tuple[int, ...], box: Box, geometry: CropGeometry, output_stride: int) -> int:
    """Side of the smallest canvas that holds a cell, in steps of 32 pixels, or of half of that for a stride up to 16.

    Steps are those of `canvas_step`. shape: shape of the label image; the box is in its pixels. At most the canvas of
    the geometry, which is also the side if cells are enlarged to it.
    """
    if not geometry.fixed:
        return geometry.canvas
    low, high = _region(shape, box, geometry)
    least = canvas_step(output_stride)
    step = least // 2 if output_stride <= 16 else least
    return min(geometry.canvas, max(least, step * math.ceil((high - low).max() / step)))


def trimmed(crop: np.ndarray, side: int) -> np.ndarray:
    """The central (side, side, ...) of a crop (canvas, canvas, ...); a view."""
    skipped = (len(crop) - side) // 2
    return crop[skipped : skipped + side, skipped : skipped + side]


def _square(
    shape: tuple[int, ...], box: Box, geometry: CropGeometry
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Return the two corners of the region that a crop shows, the corner of its canvas, and its scale.

    shape: shape of the label image; the box is in its pixels.
    """
    low, high = _region(shape, box, geometry)
    scale = geometry.canvas / (high - low).max()
    if geometry.fixed:
        scale = min(1.0, scale)
    origin = (low + high - geometry.canvas / scale) / 2
    if scale == 1:
        origin = np.floor(origin)
    if geometry.padding == "field":
        return origin, origin + geometry.canvas / scale, origin, scale
    return low, high, origin, scale


def _region(shape: tuple[int, ...], box: Box, geometry: CropGeometry) -> tuple[np.ndarray, np.ndarray]:
    """Corners of a cell's bounding box with its margin, in pixels of the field at `field_size`."""
    per_label = geometry.field_size / np.array(shape[:2])
    low = np.array([side.start for side in box]) * per_label
    high = np.array([side.stop for side in box]) * per_label
    margin = geometry.margin * (high - low).max()
    low, high = low - margin, high + margin
    if geometry.fixed:
        # Whole pixels: the crop is then cut from the field without resampling.
        low, high = np.floor(low + 1e-6), np.ceil(high - 1e-6)
    return low, high


def pool_under(maps: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Logits (n, C): means of maps (n, C, h, w), weighted by the cells' shares (n, canvas, canvas).

    The network's own logits are unweighted means of its maps, in which the black surroundings of a small cell count as
    much as the cell.
    """
    weights = pooling_weights(shares, maps.shape[2:])
    return np.einsum("nchw,nhw->nc", maps, weights) / weights.sum(axis=(1, 2))[:, None]


def pooling_weights(shares: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Weights (n, h, w) float32 of the pixels of maps of `shape` under the cells, from shares (n, canvas, canvas)."""
    weights = np.stack(
        [cv2.resize(share.astype(np.float32), shape[::-1], interpolation=cv2.INTER_AREA) for share in shares]
    )
    # A cell of one or two pixels may be missed by nearest-neighbour sampling if the image is smaller than the labels.
    weights[~weights.any(axis=(1, 2))] = 1
    return weights
