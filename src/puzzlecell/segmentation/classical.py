"""Segmentation without weights: nuclei from blue, cells grown from them over red and yellow.

All lengths in the settings are in micrometres. Fields with smaller pixels than `pixel_um` are segmented on a coarser
grid, which loses no detail of a cell border that a light microscope resolves; the labels are then resized to the field.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
from edt import edt
from skimage.filters import threshold_otsu
from skimage.graph import MCP_Geometric
from skimage.measure import label, regionprops
from skimage.morphology import local_maxima, reconstruction
from skimage.segmentation import watershed

from puzzlecell.config.segmentation import SegmentationSettings
from puzzlecell.config.segmenters import ClassicalSettings
from puzzlecell.data.label_images import (
    fill_holes,
    largest_piece,
    reshape_each,
    resize_label_image,
    tidy,
)
from puzzlecell.segmentation.base import FieldImage, Resources, SegmentedField, Segmenter, intensity

# One grey level of an 8-bit image: the smallest contrast that an 8-bit field can hold.
GREY_LEVEL = 1 / 255


class ClassicalSegmenter(Segmenter):
    """Nuclei by a threshold, split at their necks; cells by a watershed seeded with the nuclei."""

    def __init__(self, settings: ClassicalSettings, threads: int = 1):
        self.settings = settings
        self.threads = threads

    def segment(self, fields: Sequence[FieldImage]) -> list[SegmentedField]:
        """Return the label images of each field, in the order given."""
        with ThreadPoolExecutor(self.threads) as pool:
            return list(pool.map(self._segment, fields))

    def _segment(self, field: FieldImage) -> SegmentedField:
        shape, pixel_um = field.image.shape[:2], field.pixel_um
        factor = max(1.0, self.settings.pixel_um / pixel_um)
        image = intensity(field)
        if factor > 1:
            small = tuple(max(1, round(side / factor)) for side in shape)
            image = cv2.resize(image, small[::-1], interpolation=cv2.INTER_AREA)
            pixel_um *= factor
        nuclei = find_nuclei(image[..., 2], pixel_um, self.settings)
        if not nuclei.any():
            empty = np.zeros(shape, np.uint16)
            return SegmentedField(
                empty, empty.copy(), "no nucleus stands out from the background of the blue channel"
            )
        cells = grow_cells(image[..., 0], image[..., 3], nuclei, pixel_um, self.settings)
        return SegmentedField(*tidy(resize_label_image(cells, shape), resize_label_image(nuclei, shape)))


def make_segmenter(settings: SegmentationSettings, resources: Resources) -> ClassicalSegmenter:
    """Return the segmenter for these settings."""
    return ClassicalSegmenter(settings.classical, resources.threads)


def find_nuclei(blue: np.ndarray, pixel_um: float, settings: ClassicalSettings) -> np.ndarray:
    """Segment the nuclei: (H, W) float32 blue in [0, 1] -> (H, W) int32 labels 1...n, 0 = background."""
    smooth = _blur(blue, settings.nucleus_smoothing_um / pixel_um)
    above = smooth - background(smooth, settings.background_um / pixel_um)
    root = np.sqrt(np.maximum(above, 0))
    if root.max() == root.min():
        return np.zeros(blue.shape, np.int32)
    threshold = float(threshold_otsu(root)) ** 2
    dark = above[above <= threshold]
    noise = 1.4826 * float(np.median(np.abs(dark - np.median(dark))))
    threshold = max(threshold, float(np.median(dark)) + settings.nucleus_contrast * noise, GREY_LEVEL)
    mask = fill_holes(above > threshold)
    labels = split_at_necks(mask, settings.neck)
    labels = _cut_rims(labels, above, settings.nucleus_rim)
    labels = reshape_each(labels, cv2.MORPH_CLOSE, settings.nucleus_closing_um / pixel_um)
    return _drop_small(labels, settings.nucleus_minimum_um2 / pixel_um**2)


def background(image: np.ndarray, width: float) -> np.ndarray:
    """Return the smooth lower envelope of an image, without any structure narrower than `width` pixels."""
    step = max(1.0, width / 24)
    coarse = tuple(max(1, round(side / step)) for side in image.shape)
    small = cv2.resize(image, coarse[::-1], interpolation=cv2.INTER_AREA)
    size = max(3, round(width / step)) | 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    small = _blur(cv2.morphologyEx(small, cv2.MORPH_OPEN, disc), size / 4)
    return cv2.resize(small, image.shape[::-1], interpolation=cv2.INTER_LINEAR)


def split_at_necks(mask: np.ndarray, neck: float) -> np.ndarray:
    """Split touching round objects: (H, W) bool -> (H, W) int32 labels.

    The distance to the background has a peak in each bulge. Two peaks become two objects if the saddle between them
    is below `neck` times the lower peak; as a ratio, this holds at any size.
    """
    distance = edt(mask, black_border=False)
    height = np.log(np.maximum(distance, 0.5))
    peaks = reconstruction(height + np.log(neck), height, method="dilation")
    markers = label(local_maxima(peaks) & mask)
    return watershed(-distance, markers, mask=mask)


def _cut_rims(labels: np.ndarray, above: np.ndarray, rim: float) -> np.ndarray:
    cut = np.zeros_like(labels)
    for region in regionprops(labels):
        inside = region.image
        values = above[region.slice]
        kept = fill_holes(inside & (values > rim * np.median(values[inside])))
        cut[region.slice][largest_piece(kept & inside, 4)] = region.label
    return cut


def _drop_small(labels: np.ndarray, minimum: float) -> np.ndarray:
    """Drop labels of fewer than `minimum` pixels and renumber the others 1...n in the same order."""
    sizes = np.bincount(labels.ravel())
    keep = sizes >= max(minimum, 1)
    keep[0] = False
    numbers = np.cumsum(keep) * keep
    return numbers[labels].astype(np.int32)


def grow_cells(
    red: np.ndarray, yellow: np.ndarray, nuclei: np.ndarray, pixel_um: float, settings: ClassicalSettings
) -> np.ndarray:
    """Grow one cell per nucleus: (H, W) int32 labels with the numbers of `nuclei`.

    red, yellow: (H, W) float32 in [0, 1].
    """
    signal = _cytoplasm(red, yellow, settings.cell_smoothing_um / pixel_um)
    outside = edt(nuclei == 0, black_border=False) * pixel_um
    threshold = float(threshold_otsu(signal)) * settings.cell_threshold
    mask = (signal > threshold) & (outside <= settings.cell_reach_um)
    mask |= outside <= settings.ring_um
    mask = fill_holes(mask)
    gaps = _gaps(signal, settings.gap_um / pixel_um)
    cost = np.exp(-settings.signal_weight * signal) * (1 + settings.gap_weight * gaps)
    cells = _nearest_nucleus(nuclei, cost, mask)
    _cut_outside(cells, nuclei, gaps, settings.outside_gap, settings.outside_minimum_um2 / pixel_um**2)
    cells = reshape_each(cells, cv2.MORPH_OPEN, settings.border_smoothing_um / pixel_um)
    cells[nuclei > 0] = nuclei[nuclei > 0]
    return _connected(cells, nuclei)


def _gaps(signal: np.ndarray, radius: float) -> np.ndarray:
    """Return how much darker each pixel of a gap is than its banks; gaps are up to twice `radius` pixels wide."""
    size = 2 * max(1, round(radius)) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    return cv2.morphologyEx(signal, cv2.MORPH_BLACKHAT, disc)


def _cut_outside(
    cells: np.ndarray, nuclei: np.ndarray, gaps: np.ndarray, depth: float, minimum: float
) -> None:
    """Cut off, in place, the parts of cells that belong to cells whose nucleus lies outside the field.

    A cell that touches the field's border, but not with its nucleus, is divided along the darkest line between
    nucleus and border. If that line is a gap, on average more than `depth` darker than its banks, the part at the
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
        parts = watershed(gaps[window], nucleus + 2 * frame, mask=inside)
        outside = parts == 2
        line = (parts == 1) & (cv2.dilate(outside.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)
        if outside.sum() >= minimum and gaps[window][line].mean() > depth:
            cells[window][outside] = 0


def _nearest_nucleus(nuclei: np.ndarray, cost: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Assign each pixel of the mask to the nucleus with the cheapest path to it: (H, W) int32 labels."""
    inside = cv2.erode((nuclei > 0).astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=1)
    rim = np.argwhere((nuclei > 0) & (inside == 0))
    way, _ = MCP_Geometric(np.where(mask, cost, -1)).find_costs(rim)
    way[nuclei > 0] = -1
    reached = np.isfinite(way)
    return watershed(np.where(reached, way, 0), nuclei, mask=reached & mask)


def _cytoplasm(red: np.ndarray, yellow: np.ndarray, sigma: float) -> np.ndarray:
    """Return the mean of red and yellow, (H, W) float32 in [0, 1].

    Each channel is smoothed, scaled to [0, 1] between its 0.5th and 99.5th percentiles, and square-rooted; a constant
    channel counts as 0.
    """
    signal = np.zeros(red.shape, np.float32)
    for channel in (red, yellow):
        smooth = _blur(channel, sigma)
        low, high = np.percentile(smooth, [0.5, 99.5])
        if high - low > GREY_LEVEL:
            signal += np.sqrt(np.clip((smooth - low) / (high - low), 0, 1)) / 2
    return signal


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


def _blur(image: np.ndarray, sigma: float) -> np.ndarray:
    return cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REFLECT) if sigma > 0.1 else image
