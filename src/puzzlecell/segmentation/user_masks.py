"""The user's own label images as a segmenter, with checks."""

import logging
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from puzzlecell.config.segmentation import SegmentationSettings
from puzzlecell.config.segmenters import ClassicalSettings
from puzzlecell.data.image_errors import ImageError, MissingImageError
from puzzlecell.data.label_images import number_by_cell, resize_label_image, tidy
from puzzlecell.data.png import read_greyscale
from puzzlecell.errors import UserError
from puzzlecell.runtime.bucket import below, is_folder
from puzzlecell.runtime.bucket_files import FilesAtHand, at_hand
from puzzlecell.runtime.messages import first_few
from puzzlecell.segmentation.base import FieldImage, Resources, SegmentedField, Segmenter, intensity
from puzzlecell.segmentation.classical import find_nuclei
from puzzlecell.segmentation.requirements import missing_masks

log = logging.getLogger(__name__)


class MasksError(UserError):
    """An unusable label image; the message names the file, what was found and what was expected."""


class MasksSegmenter(Segmenter):
    """Reads `<ID>_cells.png` and, if it exists, `<ID>_nuclei.png`.

    Label images are 8- or 16-bit greyscale with the aspect ratio of the field, 0 = background. The numbers of nuclei
    need not match those of their cells: a nucleus belongs to the cell that covers most of it. Without a nuclei file,
    the nuclei are segmented in blue as by the classical segmenter.
    """

    def __init__(
        self,
        folder: str | os.PathLike,
        classical: ClassicalSettings,
        threads: int = 1,
        *,
        max_megapixels: float | None = None,
    ):
        if not is_folder(folder):
            raise MasksError(missing_masks(folder))
        self.folder, self.classical, self.threads = folder, classical, threads
        self.max_megapixels = max_megapixels

    def segment(self, fields: Sequence[FieldImage]) -> list[SegmentedField]:
        """Return the label images of each field, in the order given; raises MasksError for the first invalid file."""
        with ThreadPoolExecutor(self.threads) as pool:
            return list(pool.map(self._segment, fields))

    def _segment(self, field: FieldImage) -> SegmentedField:
        names = [f"{field.field_id}_{kind}.png" for kind in ("cells", "nuclei")]
        with at_hand(self.folder, names) as files:
            return self._read_both(field, files, *(Path(files.folder, name) for name in names))

    def _read_both(
        self, field: FieldImage, files: FilesAtHand, path: Path, nuclei_path: Path
    ) -> SegmentedField:
        shape = field.image.shape[:2]
        cells = self._read(path, shape)
        if cells is None:
            raise MasksError(f"{path} is missing: segmentation.method: masks needs one for every field")
        nuclei = self._read(nuclei_path, shape)
        given = nuclei is not None
        if nuclei is None:
            nuclei = find_nuclei(intensity(field)[..., 2], field.pixel_um, self.classical)
            nuclei = np.where(cells > 0, nuclei, 0)
        nuclei, outside = number_by_cell(nuclei, cells)
        if outside and given:
            raise MasksError(
                f"{nuclei_path}: nuclei {first_few(outside, 5)} lie outside the cells of {path.name}"
            )
        whole, nuclei = tidy(cells, nuclei)
        lost = int((cells > 0).sum() - (whole > 0).sum())
        if lost:
            where = files.named(str(path))
            log.warning("%s: %d pixels left out: not connected to the main part of their cell", where, lost)
        return SegmentedField(whole, nuclei, None if whole.any() else files.named(f"{path} has no cells"))

    def _read(self, path: Path, shape: tuple[int, int]) -> np.ndarray | None:
        """Return a label image at the size of the field, or None if the file does not exist."""
        try:
            labels = read_greyscale(path, max_megapixels=self.max_megapixels)
        except MissingImageError:
            return None
        except ImageError as error:
            raise MasksError(str(error)) from error
        if not _same_proportions(labels.shape, shape):
            raise MasksError(
                f"{path}: {labels.shape[1]} x {labels.shape[0]} pixels do not have the aspect ratio of the field "
                f"({shape[1]} x {shape[0]} pixels as segmented)"
            )
        return resize_label_image(labels, shape)


def make_segmenter(settings: SegmentationSettings, resources: Resources) -> MasksSegmenter:
    """Return the segmenter for these settings; raises MasksError if the folder of label images is missing."""
    if resources.data_folder is None:
        raise MasksError("segmentation.method is masks, but the folder of the data set is not known")
    return MasksSegmenter(
        below(resources.data_folder, settings.masks.folder),
        settings.classical,
        resources.threads,
        max_megapixels=resources.max_megapixels,
    )


def _same_proportions(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Return whether two sizes have the same aspect ratio, up to rounding to a pixel."""
    longer, shorter = (one, other) if max(one) >= max(other) else (other, one)
    scale = max(shorter) / max(longer)
    return all(abs(a * scale - b) <= 1 for a, b in zip(longer, shorter, strict=True))
