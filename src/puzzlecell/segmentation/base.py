"""Common interface of the segmenters."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from puzzlecell.config.labelling import LabellingSettings
from puzzlecell.data.intensity import intensity_range, to_unit


@dataclass(frozen=True)
class FieldImage:
    """A field to segment.

    image: (H, W, 4) uint8, uint16 or float32; channels red, green, blue, yellow. Pixels are square, `pixel_um`
    micrometres wide. limits: (4, 2) float32, intensities of the image that count as 0 and 1, see `intensity_limits`;
    None stands for the reference rule, which keeps a stored field as it is.
    """

    field_id: str
    image: np.ndarray
    pixel_um: float
    limits: np.ndarray | None = None


@dataclass(frozen=True)
class SegmentedField:
    """Label images of a field, (H, W) uint16: 0 = background, cells 1...n; a nucleus has the number of its cell.

    reason: why no cell was found, or None.
    """

    cells: np.ndarray
    nuclei: np.ndarray
    reason: str | None = None


def intensity(field: FieldImage) -> np.ndarray:
    """Return the intensities of a field, (H, W, 4) float32 in [0, 1]."""
    return to_unit(field.image, field.limits)


def integers(field: FieldImage) -> np.ndarray:
    """Return a field as (H, W, 4) uint8 or uint16 in proportion to its intensities, which need no limits.

    It is the image itself where the reference rule gives its limits, with 16-bit files holding 0-255 as 8-bit; else
    65535 x intensity.
    """
    image, limits = field.image, field.limits
    if image.dtype.kind != "f":
        top = intensity_range(image)
        if limits is None or (limits == (0, top)).all():
            return image.astype(np.uint8, copy=False) if top == 255 else image
    return np.rint(intensity(field) * 65535).astype(np.uint16)


def reason_if_empty(nuclei: np.ndarray, cells: np.ndarray, settings: LabellingSettings) -> str | None:
    """Return why a field has no cells, or None if it has some.

    nuclei: (h, w, 3) uint8, softmax of the nuclei network times 255.
    """
    if cells.any():
        return None
    if (nuclei[..., 2] <= 255 * settings.nucleus_threshold).all():
        return f"no pixel has a nucleus probability above {settings.nucleus_threshold}"
    return "all nuclei or their cells were too small, or no cytoplasm was detected around the nuclei"


@dataclass(frozen=True)
class Resources:
    """Resources of a segmenter: CPU threads, a device (`cpu`, `cuda:0`, ...) and the data set's folder.

    data_folder: path or URL of the parent of the folder with the user's own label images; None if unknown.
    max_megapixels: largest label image of the user, in millions of pixels; None sets no limit.
    """

    threads: int = 1
    device: str = "cpu"
    data_folder: str | os.PathLike | None = None
    max_megapixels: float | None = None


class Segmenter(Protocol):
    """Segments fields; the same fields give the same labels for any number of threads."""

    def segment(self, fields: Sequence[FieldImage]) -> list[SegmentedField]:
        """Return the label images of each field, in the order given."""
        ...

    def close(self) -> None:
        """Release the segmenter's resources; it cannot be used afterwards."""
        return  # Most segmenters have nothing to release.
