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
from skimage.measure import label, regionprops
from skimage.morphology import local_maxima, reconstruction
from skimage.segmentation import watershed

from puzzlecell.config.segmentation import SegmentationSettings
from puzzlecell.config.segmenters import ClassicalSettings
from puzzlecell.data.label_images import fill_holes, largest_piece, reshape_each, resize_label_image, tidy
from puzzlecell.segmentation.base import FieldImage, Resources, SegmentedField, Segmenter, intensity
from puzzlecell.segmentation.cell_growth import grow_cells
from puzzlecell.segmentation.cytoplasm import GREY_LEVEL, blur, cytoplasm
from puzzlecell.segmentation.nucleus_pieces import join_pieces


class ClassicalSegmenter(Segmenter):
    """Nuclei by a threshold, split at their necks; cells grown from them, each down to its own threshold."""

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
        signal = cytoplasm(image[..., 0], image[..., 3], self.settings.cell_smoothing_um / pixel_um)
        nuclei = join_pieces(nuclei, image[..., 2], signal, pixel_um, self.settings)
        cells = grow_cells(signal, nuclei, pixel_um, self.settings)
        return SegmentedField(*tidy(resize_label_image(cells, shape), resize_label_image(nuclei, shape)))


def make_segmenter(settings: SegmentationSettings, resources: Resources) -> ClassicalSegmenter:
    """Return the segmenter for these settings."""
    return ClassicalSegmenter(settings.classical, resources.threads)


def find_nuclei(blue: np.ndarray, pixel_um: float, settings: ClassicalSettings) -> np.ndarray:
    """Segment the nuclei: (H, W) float32 blue in [0, 1] -> (H, W) int32 labels 1...n, 0 = background."""
    smooth = blur(blue, settings.nucleus_smoothing_um / pixel_um)
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
    small = blur(cv2.morphologyEx(small, cv2.MORPH_OPEN, disc), size / 4)
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
