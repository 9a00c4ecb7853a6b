"""Nuclei that were divided at a neck, joined again where the cytoplasm shows one cell."""

import cv2
import numpy as np
from edt import edt
from scipy.ndimage import find_objects

from puzzlecell.config.segmenters import ClassicalSettings
from puzzlecell.segmentation.cytoplasm import gaps

SQUARE = np.ones((3, 3), np.uint8)


def join_pieces(
    nuclei: np.ndarray, blue: np.ndarray, signal: np.ndarray, pixel_um: float, settings: ClassicalSettings
) -> np.ndarray:
    """Join touching nuclei that are pieces of one: (H, W) int32 labels 1...n in and out, 0 = background.

    blue, signal: (H, W) float32 in [0, 1]; signal is the brightness of the cytoplasm.

    Some lobed nuclei have a neck as narrow as some pairs of nuclei. Two touching labels are joined if their neck is at
    least `join_neck` times as wide as the narrower one, if blue is not darker at the seam than `join_seam` times the
    darker one, and if no gap deeper than `join_gap`, as there is between two cells, continues the seam into the
    cytoplasm.
    """
    pairs = _touching(nuclei)
    if not len(pairs) or settings.join_neck >= settings.neck:
        return nuclei
    boxes = find_objects(nuclei)
    width = edt(nuclei > 0, black_border=False)
    depth = gaps(signal, settings.gap_um / pixel_um)
    reach = 2 * settings.gap_um / pixel_um
    joined = np.arange(int(nuclei.max()) + 1)
    for one, other in pairs:
        window = _around(boxes[one - 1], boxes[other - 1], int(np.ceil(reach)))
        labels = nuclei[window]
        a, b = labels == one, labels == other
        seam = _grown(a) & _grown(b) & (a | b)
        neck = width[window][seam].max() / min(width[window][part].max() for part in (a, b))
        dark = blue[window][seam].mean() / min(np.median(blue[window][part]) for part in (a, b))
        if neck < settings.join_neck or dark < settings.join_seam:
            continue
        # The continuation of the seam: as far from one nucleus as from the other.
        line = (np.abs(edt(~a) - edt(~b)) < 1.5) & (edt(~seam) <= reach) & (labels == 0)
        banks = float((signal[window] + depth[window])[line].sum())
        if float(depth[window][line].sum()) <= settings.join_gap * banks:
            joined[joined == joined[other]] = joined[one]
    return np.unique(joined, return_inverse=True)[1].astype(np.int32)[nuclei]


def _touching(labels: np.ndarray) -> list[tuple[int, int]]:
    """Return the pairs of labels, lower number first, that share an edge of a pixel."""
    pairs: set[tuple[int, int]] = set()
    for one, other in ((labels[1:], labels[:-1]), (labels[:, 1:], labels[:, :-1])):
        meet = (one != other) & (one > 0) & (other > 0)
        both = np.sort(np.stack([one[meet], other[meet]]), axis=0)
        pairs |= {(int(a), int(b)) for a, b in both.T}
    return sorted(pairs)


def _around(one: tuple[slice, slice], other: tuple[slice, slice], margin: int) -> tuple[slice, slice]:
    """Return the window that holds two others and a margin around them."""
    rows, columns = (
        slice(max(0, min(a.start, b.start) - margin), max(a.stop, b.stop) + margin)
        for a, b in zip(one, other, strict=True)
    )
    return rows, columns


def _grown(mask: np.ndarray) -> np.ndarray:
    return cv2.dilate(mask.astype(np.uint8), SQUARE) > 0
