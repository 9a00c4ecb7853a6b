"""Cells grown from their nuclei over the cytoplasm."""

import cv2
import numpy as np
from cc3d import connected_components
from edt import edt
from skimage.graph import MCP_Geometric
from skimage.measure import regionprops
from skimage.segmentation import watershed

from puzzlecell.config.segmenters import ClassicalSettings
from puzzlecell.data.label_images import fill_holes, largest_piece, reshape_each
from puzzlecell.segmentation.cytoplasm import blur, cell_thresholds, gaps


def grow_cells(
    signal: np.ndarray, nuclei: np.ndarray, pixel_um: float, settings: ClassicalSettings
) -> np.ndarray:
    """Grow one cell per nucleus: (H, W) int32 labels with the numbers of `nuclei`.

    signal: (H, W) float32 in [0, 1], brightness of the cytoplasm; nuclei: (H, W) int32 labels 1...n, 0 = background.

    The surroundings of the nuclei are divided among them first, along the dark gaps between cells. In each part, the
    cell is what is brighter than its own threshold.
    """
    outside = edt(nuclei == 0, black_border=False) * pixel_um
    radius = settings.gap_um / pixel_um
    depth = gaps(signal, radius)
    cost = np.exp(-settings.signal_weight * signal) * (1 + settings.gap_weight * depth)
    basins = _nearest_nucleus(nuclei, cost, outside <= settings.cell_reach_um)
    threshold = settings.cell_threshold * cell_thresholds(signal, basins, settings.own_threshold)
    mask = (signal > threshold[basins]) & (basins > 0)
    mask |= outside <= settings.ring_um
    cells = _with_nucleus(np.where(fill_holes(mask), basins, 0), nuclei)
    # A part of a cell is not cut off because of its texture: such lines are sought in a smoother signal.
    lines = gaps(blur(signal, radius / 5), radius)
    _cut_outside(cells, nuclei, lines, settings.outside_gap, settings.outside_minimum_um2 / pixel_um**2)
    # Noise frays the outline of a dim cell: its inlets are filled before its fringes are cut off.
    for operation in (cv2.MORPH_CLOSE, cv2.MORPH_OPEN):
        cells = reshape_each(cells, operation, settings.border_smoothing_um / pixel_um)
    cells[nuclei > 0] = nuclei[nuclei > 0]
    return _connected(cells, nuclei)


def _nearest_nucleus(nuclei: np.ndarray, cost: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Assign each pixel of the mask to the nucleus with the cheapest path to it: (H, W) int32 labels."""
    inside = cv2.erode((nuclei > 0).astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=1)
    rim = np.argwhere((nuclei > 0) & (inside == 0))
    way, _ = MCP_Geometric(np.where(mask, cost, -1)).find_costs(rim)
    way[nuclei > 0] = -1
    reached = np.isfinite(way)
    return watershed(np.where(reached, way, 0), nuclei, mask=reached & mask)


def _with_nucleus(cells: np.ndarray, nuclei: np.ndarray) -> np.ndarray:
    """Drop the parts of cells that are not connected to their nucleus."""
    parts = connected_components(cells, connectivity=4)
    kept = np.zeros(int(parts.max(initial=0)) + 1, bool)
    kept[parts[nuclei > 0]] = True
    kept[0] = False
    return np.where(kept[parts], cells, 0)


def _cut_outside(
    cells: np.ndarray, nuclei: np.ndarray, depth: np.ndarray, deepest: float, minimum: float
) -> None:
    """Cut off, in place, the parts of cells that belong to cells whose nucleus lies outside the field.

    A cell that touches the field's border, but not with its nucleus, is divided along the darkest line between
    nucleus and border. If that line is a gap, on average more than `deepest` darker than its banks, the part at the
    border belongs to another cell and is removed, unless it is smaller than `minimum` pixels.
    """
    for region in regionprops(cells):
        window, inside = region.slice, region.image
        frame = np.zeros(inside.shape, bool)
        y0, x0, y1, x1 = region.bbox
        frame[0] |= y0 == 0
        frame[-1] |= y1 == cells.shape[0]
        frame[:, 0] |= x0 == 0
        frame[:, -1] |= x1 == cells.shape[1]
        nucleus, frame = nuclei[window] == region.label, frame & inside
        if not frame.any() or (frame & nucleus).any():
            continue
        parts = watershed(depth[window], nucleus + 2 * frame, mask=inside)
        outside = parts == 2
        line = (parts == 1) & (cv2.dilate(outside.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)
        if outside.sum() >= minimum and line.any() and depth[window][line].mean() > deepest:
            cells[window][outside] = 0


def _connected(cells: np.ndarray, nuclei: np.ndarray) -> np.ndarray:
    """Fill the holes of each cell, keep its largest connected component and add its nucleus."""
    clean = np.zeros_like(cells)
    for region in regionprops(cells):
        y0, x0, y1, x1 = region.bbox
        window = np.s_[y0:y1, x0:x1]
        filled = fill_holes(region.image) & np.isin(cells[window], (0, region.label))
        clean[window][largest_piece(filled, 4)] = region.label
    clean[nuclei > 0] = nuclei[nuclei > 0]
    return clean
