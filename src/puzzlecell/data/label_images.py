"""Resizing and tidying of label images: connected cells, numbered without gaps, with nuclei inside their cells."""

import cv2
import numpy as np
from skimage.measure import regionprops

from puzzlecell.errors import UserError


def resize_labels(labels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize a label image by nearest-neighbour interpolation, the sampling used for all masks of a submission."""
    rows, columns = nearest_index(labels.shape[0], height), nearest_index(labels.shape[1], width)
    return labels[rows[:, None], columns[None, :]]


def nearest_index(stored: int, original: int) -> np.ndarray:
    """Return, for each of `original` pixels along an axis, the index of the stored pixel that contains its centre."""
    return (2 * np.arange(original, dtype=np.int64) + 1) * stored // (2 * original)


def resize_label_image(labels: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Resize a label image to (H, W) uint16, with smooth borders where it is enlarged.

    labels: (h, w) integer labels up to 65535 (UserError above). A pixel of an enlarged image belongs to the label, or
    background, with the largest bilinear weight, so that borders are straight where nearest-neighbour interpolation
    would leave steps. A smaller image is sampled at the pixel centres.
    """
    if labels.max(initial=0) > 65535:
        raise UserError(
            f"a label of {labels.max()} does not fit into the 16 bits of a stored label image; expected at most 65535"
        )
    labels = labels.astype(np.uint16)
    if labels.shape == tuple(shape):
        return labels
    if shape[0] < labels.shape[0] or shape[1] < labels.shape[1]:
        return resize_labels(labels, *shape)
    scale = shape[0] / labels.shape[0], shape[1] / labels.shape[1]
    grown = np.zeros(shape, np.uint16)
    most = np.zeros(shape, np.float32)
    taken = np.zeros(shape, np.float32)
    for region in regionprops(labels):
        y0, x0, y1, x1 = region.bbox
        top, left = max(y0 - 1, 0), max(x0 - 1, 0)
        bottom, right = min(y1 + 1, labels.shape[0]), min(x1 + 1, labels.shape[1])
        window = np.s_[
            int(np.floor(top * scale[0])) : int(np.ceil(bottom * scale[0])),
            int(np.floor(left * scale[1])) : int(np.ceil(right * scale[1])),
        ]
        crop = (labels[top:bottom, left:right] == region.label).astype(np.float32)
        weight = _stretch(crop, (top, left), scale, window)
        wins = weight > most[window]
        grown[window][wins] = region.label
        most[window][wins] = weight[wins]
        taken[window] += weight
    grown[1 - taken > most] = 0
    return grown


def _stretch(
    crop: np.ndarray, corner: tuple[int, int], scale: tuple[float, float], window: tuple[slice, slice]
) -> np.ndarray:
    """Bilinear interpolation of a crop of the small image at the pixel centres of a window of the large one."""
    rows = (np.arange(window[0].start, window[0].stop) + 0.5) / scale[0] - 0.5 - corner[0]
    columns = (np.arange(window[1].start, window[1].stop) + 0.5) / scale[1] - 0.5 - corner[1]
    across, down = np.meshgrid(columns.astype(np.float32), rows.astype(np.float32))
    return cv2.remap(crop, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def tidy(cells: np.ndarray, nuclei: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return cells and nuclei, (H, W) uint16, ready to be stored.

    Only the largest connected component of each cell is kept. Cells are renumbered 1...n in their order. A nucleus is
    cut to its cell and has the number of that cell.
    """
    whole = np.zeros(cells.shape, np.uint16)
    for number, region in enumerate(regionprops(cells), start=1):
        whole[region.slice][largest_piece(region.image)] = number
    belongs = (nuclei > 0) & (nuclei == cells)
    return whole, np.where(belongs, whole, np.uint16(0))


def reshape_each(labels: np.ndarray, operation: int, radius: float) -> np.ndarray:
    """Open or close each label on its own with a disc of `radius` pixels; (H, W) integer labels in and out.

    operation: cv2.MORPH_OPEN cuts off parts narrower than the disc, cv2.MORPH_CLOSE fills inlets narrower than it.
    Labels grow only into background. Beyond the border of the image, labels are assumed to continue unchanged.
    """
    reach = round(radius)
    if reach < 1:
        return labels
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    margin = 2 * reach + 1
    reshaped = np.zeros_like(labels)
    for region in regionprops(labels):
        y0, x0, y1, x1 = region.bbox
        window = np.s_[max(0, y0 - margin) : y1 + margin, max(0, x0 - margin) : x1 + margin]
        mask = (labels[window] == region.label).astype(np.uint8)
        mask = np.pad(mask, margin, mode="edge")
        mask = cv2.morphologyEx(mask, operation, disc)[margin:-margin, margin:-margin] > 0
        reshaped[window][mask & np.isin(labels[window], (0, region.label)) & (reshaped[window] == 0)] = (
            region.label
        )
    return reshaped


def largest_piece(mask: np.ndarray, connectivity: int = 8) -> np.ndarray:
    """Return the largest connected component of a mask, (H, W) bool; the first one if several are equal."""
    count, pieces, statistics, _ = cv2.connectedComponentsWithStats(
        mask.astype(np.uint8), connectivity=connectivity
    )
    if count <= 2:
        return mask
    return pieces == 1 + int(np.argmax(statistics[1:, cv2.CC_STAT_AREA]))


def fill_holes(mask: np.ndarray) -> np.ndarray:
    """Fill holes of a mask, (H, W) bool: background that is not 4-connected to the outside of the image."""
    padded = np.pad(mask, 1).astype(np.uint8)
    cv2.floodFill(padded, None, (0, 0), 2, flags=4)
    return padded[1:-1, 1:-1] != 2


def number_by_cell(nuclei: np.ndarray, cells: np.ndarray) -> tuple[np.ndarray, list[int]]:
    """Renumber nuclei by the cell that covers most of each, and cut them to it: (H, W) uint16.

    nuclei, cells: (H, W) integer label images, numbered independently. Also returns the numbers of nuclei that are left
    out because less than half of their area lies in any one cell.
    """
    count = int(nuclei.max(initial=0)) + 1
    pairs = nuclei.astype(np.int64) * (int(cells.max(initial=0)) + 1) + cells
    shared = np.bincount(pairs.ravel(), minlength=count * (int(cells.max(initial=0)) + 1)).reshape(count, -1)
    area = shared.sum(axis=1)
    shared[:, 0] = 0
    cell = shared.argmax(axis=1)
    apart = 2 * shared.max(axis=1) < area
    apart[0] = False
    cell[apart] = 0
    cell[0] = 0
    owner = cell.astype(np.uint16)[nuclei]
    return np.where(owner == cells, owner, np.uint16(0)), np.flatnonzero(apart).tolist()
