"""What every segmenter takes and returns."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from puzzlecell.config.labelling import LabellingSettings
from puzzlecell.data.fields import intensity_range


@dataclass(frozen=True)
class FieldImage:
    """A field to segment.

    image: (H, W, 4) uint8 or uint16, red, green, blue, yellow; pixels are square, `pixel_um` micrometres
    wide.
    """

    field_id: str
    image: np.ndarray
    pixel_um: float


@dataclass(frozen=True)
class SegmentedField:
    """Label images of a field, (H, W) uint16: 0 = background, cells 1...n, a nucleus has its cell's number.

    reason: why no cell was found, where none was.
    """

    cells: np.ndarray
    nuclei: np.ndarray
    reason: str | None = None


def intensity(image: np.ndarray) -> np.ndarray:
    """(H, W, C) float32 in [0, 1] of an 8 or 16 bit image; 16 bit files that hold 0-255 count as 8 bit."""
    return np.divide(image, intensity_range(image), dtype=np.float32)


def reason_if_empty(nuclei: np.ndarray, cells: np.ndarray, settings: LabellingSettings) -> str | None:
    """Why a field has no cells, where it has none; nuclei: (h, w, 3) uint8, softmax of their network times 255."""
    if cells.any():
        return None
    if (nuclei[..., 2] <= 255 * settings.nucleus_threshold).all():
        return f"no pixel has a probability of nucleus above {settings.nucleus_threshold}"
    return "every nucleus or its cell was too small, or no cytoplasm was seen around it"


@dataclass(frozen=True)
class Resources:
    """What a segmenter may use: CPU threads, a device (`cpu`, `cuda:0`, ...) and the data set's folder.

    data_folder: where the user's own label images lie; None where it is not known.
    """

    threads: int = 1
    device: str = "cpu"
    data_folder: Path | None = None


class Segmenter(Protocol):
    """Finds the cells of fields. The same fields give the same labels, whatever the number of threads."""

    def segment(self, fields: Sequence[FieldImage]) -> list[SegmentedField]:
        """Label images of each field, in the order given."""
        ...

    def close(self) -> None:
        """Release what the segmenter holds; it is not used afterwards."""
        return  # Most hold nothing.
