"""Conversion of the HPA segmenter's probabilities to label images.

The steps are those of `label_cell` in the package hpacellseg (CellProfiling/HPA-Cell-Segmentation), which expects
2048-pixel fields with 0.08 micrometres per pixel. At other pixel sizes, areas scale with (0.08 / pixel)^2 and radii
with 0.08 / pixel. The switches of `PublishedFaults` reproduce the bugs of the published code.
"""

import cv2
import numpy as np
from skimage.filters import threshold_otsu
from skimage.morphology import disk

from puzzlecell.config.labelling import LabellingSettings
from puzzlecell.data.label_images import fill_holes, reshape_each, tidy
from puzzlecell.errors import UserError
from puzzlecell.segmentation.watershed import CROSS, areas, components, drop_small, flood, grow, split_flat

FULL_SIZE_PIXEL_UM = 0.08
BORDER, OBJECT = 1, 2


def label_cells(
    nuclei: np.ndarray, cells: np.ndarray, pixel_um: float, settings: LabellingSettings
) -> tuple[np.ndarray, np.ndarray]:
    """Return the label images (cells, nuclei) of a field, both (H, W) uint16: 0 = background, cells 1...n.

    A nucleus has the number of its cell.

    nuclei, cells: (H, W, 3) uint8, the softmax of each network times 255: background (not used), border between
    touching objects, object. pixel_um: their pixel size in micrometres.
    """
    pixels = _Pixels((FULL_SIZE_PIXEL_UM / pixel_um) ** 2)
    _, nucleus_border, nucleus_object = cv2.split(nuclei)
    _, cell_border, cell_object = cv2.split(cells)
    nucleus_labels = label_nuclei(
        nucleus_object, _border_sum(nucleus_border, cell_border, settings), pixels, settings
    )
    threshold = _cell_threshold(cell_object, settings)
    border = _above(cell_border, settings.border_threshold)
    mask = _above(cell_object, threshold)
    if not settings.faults.border_never_excluded:
        mask &= ~border
    cell_labels = _cells_of_nuclei(nucleus_labels, cell_object, mask, pixels, settings)
    cell_labels = grow(cell_object, cell_labels, border | (cell_labels > 0))
    cell_labels = drop_small(
        components(_parted(cell_labels, settings), 8), pixels.area(settings.cell_minimum)
    )
    return finished(cell_labels, _nuclei_of_cells(nucleus_labels, cell_labels, pixels, settings), settings)


def finished(
    cells: np.ndarray, nuclei: np.ndarray, settings: LabellingSettings
) -> tuple[np.ndarray, np.ndarray]:
    """Apply the final steps of the settings: drop cells without a nucleus, open all cells, renumber them 1...n.

    cells, nuclei: (H, W) unsigned label images with the same numbers. Returns both as uint16.
    """
    if not settings.keep_without_nucleus:
        has_nucleus = np.zeros(int(cells.max(initial=0)) + 1, cells.dtype)
        has_nucleus[np.unique(nuclei)] = 1
        cells = cells * has_nucleus[cells]
    if settings.finish_opening:
        return tidy(reshape_each(cells, cv2.MORPH_OPEN, 1), nuclei)
    return _renumbered(cells, nuclei)


def _renumbered(cells: np.ndarray, nuclei: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Renumber the cells of both label images 1...n, both uint16; raises ValueError for more than 65535 cells."""
    used = areas(cells) > 0
    used[0] = False
    if used.sum() > 65535:
        raise UserError(f"{used.sum()} cells in one field; a label image holds at most 65535")
    numbers = (np.cumsum(used) * used).astype(np.uint16)
    return np.take(numbers, cells), np.take(numbers, nuclei)


class _Pixels:
    """Converts areas and radii from full-size pixels to the pixels of the field."""

    def __init__(self, scale: float):
        self.scale = scale

    def area(self, full: float) -> int:
        return max(1, round(full * self.scale))

    def radius(self, full: float) -> int:
        return max(1, round(full * self.scale**0.5))


def _above(plane: np.ndarray, threshold: float) -> np.ndarray:
    """Return where a probability, stored times 255 as uint8, is above a threshold in [0, 1]: (H, W) bool."""
    return plane > int(np.floor(255 * threshold))


def _border_sum(
    nucleus_border: np.ndarray, cell_border: np.ndarray, settings: LabellingSettings
) -> np.ndarray:
    """Add both borders: (H, W) uint8, saturating at 255; the published sum wraps around above 255."""
    if settings.faults.border_sum_wraps:
        return nucleus_border + cell_border
    return cv2.add(nucleus_border, cell_border)


def label_nuclei(
    probability: np.ndarray, border: np.ndarray, pixels: _Pixels, settings: LabellingSettings
) -> np.ndarray:
    """Label the nuclei, (H, W) uint16: seeds away from borders are grown to the edge of the nuclei."""
    inverted = settings.faults.seed_border_inverted
    limit = 1 - settings.border_threshold if inverted else settings.border_threshold
    seeds = _above(probability, settings.seed_threshold) & ~_above(border, limit)
    seeds = drop_small(components(seeds, 4), pixels.area(settings.seed_minimum))
    mask = _above(probability, settings.nucleus_threshold)
    gaps = components(~mask, 4)
    mask |= drop_small(gaps, pixels.area(settings.nucleus_hole)) != gaps
    pieces = drop_small(components(mask, 4), pixels.area(settings.nucleus_speck))
    labels = drop_small(split_flat(pieces, seeds), pixels.area(settings.nucleus_minimum))
    return _as_uint16(components(labels, 8))


def _cells_of_nuclei(
    nuclei: np.ndarray,
    probability: np.ndarray,
    mask: np.ndarray,
    pixels: _Pixels,
    settings: LabellingSettings,
) -> np.ndarray:
    """Grow cells from the nuclei over a mask; drop small ones, close gaps, separate and number the cells."""
    cells = drop_small(flood(probability, nuclei, mask), pixels.area(settings.cell_minimum))
    if settings.faults.cell_numbers_wrap:
        cells &= 255
    cells = cv2.morphologyEx(cells, cv2.MORPH_CLOSE, disk(pixels.radius(settings.closing_radius)))
    return _as_uint16(components(_parted(cells, settings), 4))


def _cell_threshold(probability: np.ndarray, settings: LabellingSettings) -> float:
    counts = cv2.calcHist([probability], [0], None, [256], [0, 256]).ravel()
    used = np.flatnonzero(counts)
    if len(used) < 2:
        return settings.cell_threshold
    bins, edges = np.histogram(used / 255, bins=256, weights=counts[used])
    otsu = float(threshold_otsu(hist=(bins, (edges[1:] + edges[:-1]) / 2)))
    return max(settings.cell_threshold, settings.otsu_factor * otsu)


def _nuclei_of_cells(
    nuclei: np.ndarray, cells: np.ndarray, pixels: _Pixels, settings: LabellingSettings
) -> np.ndarray:
    """Return the parts of nuclei inside cells that are large enough, with the cells' numbers: (H, W) uint16."""
    inside = components((nuclei > 0) & (cells > 0), 8)
    large = drop_small(inside, pixels.area(settings.nucleus_minimum)) > 0
    return cv2.copyTo(cells, large.view(np.uint8))


def _parted(cells: np.ndarray, settings: LabellingSettings) -> np.ndarray:
    """Fill the holes of cells and separate touching cells by a line of background: (H, W) bool."""
    parted = (cells > 0) & (cv2.dilate(cells, CROSS) == cv2.erode(cells, CROSS))
    filled = fill_holes(parted)
    if settings.faults.enclosed_cells_merge:
        return filled
    holes = components(filled & ~parted, 4)
    if holes.any():
        filled &= ~np.take(_between_two(holes, components(parted, 4)), holes)
    return filled


def _between_two(holes: np.ndarray, pieces: np.ndarray) -> np.ndarray:
    """Return which holes 0...n are adjacent to more than one component, (n + 1,) bool.

    Such a hole lies between a cell and another cell enclosing it; filling it would merge the two.
    """
    framed = np.pad(pieces, 1)
    rows, columns = np.nonzero(holes)
    numbers = np.take(holes, rows * holes.shape[1] + columns)
    beside = np.zeros((int(holes.max()) + 1, int(pieces.max()) + 1), bool)
    for down, across in ((0, 1), (2, 1), (1, 0), (1, 2)):
        beside[numbers, framed[rows + down, columns + across]] = True
    return beside[:, 1:].sum(axis=1) > 1


def _as_uint16(labels: np.ndarray) -> np.ndarray:
    if labels.dtype != np.uint16:
        raise UserError(f"{labels.max()} components in one field; a label image holds at most 65535")
    return labels
