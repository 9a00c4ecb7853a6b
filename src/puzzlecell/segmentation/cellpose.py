"""Cellpose as a segmenter (optional extra): cells from red, yellow and blue; nuclei from blue."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from puzzlecell.config.segmentation import SegmentationSettings
from puzzlecell.config.segmenters import CellposeSettings
from puzzlecell.data.label_images import number_by_cell, resize_label_image, tidy
from puzzlecell.errors import UserError
from puzzlecell.runtime.threads import limited_threads
from puzzlecell.segmentation.base import FieldImage, Resources, SegmentedField, Segmenter, intensity

# Cellpose rescales every image so that objects are 30 pixels wide, so a higher resolution adds nothing.
_OBJECT_PX = 30
# Its normalisation and tiling fail on images one or two pixels wide.
_LEAST_PX = 16


class CellposeError(UserError):
    """A model unknown to Cellpose; the message lists the known ones."""


class CellposeSegmenter(Segmenter):
    """Runs one model twice, for cells and for nuclei; a nucleus belongs to the cell that covers most of it."""

    def __init__(self, settings: CellposeSettings, threads: int = 1, device: str = "cpu"):
        """Load the model; a model that is neither a file nor known to Cellpose is an error.

        Cellpose itself would silently use its default model. Raises CellposeError if Cellpose is not installed, and
        for an unknown model.
        """
        try:
            from cellpose import models
        except ImportError as error:
            raise CellposeError(
                "segmentation.method is cellpose, but it is not installed; run: pip install 'puzzlecell[cellpose]'"
            ) from error
        import torch

        known = [*models.MODEL_NAMES, *models.get_user_models()]
        if settings.model not in known and not Path(settings.model).is_file():
            raise CellposeError(
                f"segmentation.cellpose.model: {settings.model} is neither a file nor a Cellpose model; known models: "
                + ", ".join(known)
            )
        self.settings, self.threads = settings, threads
        self.model = models.CellposeModel(
            gpu=device != "cpu", device=torch.device(device), pretrained_model=settings.model
        )

    def segment(self, fields: Sequence[FieldImage]) -> list[SegmentedField]:
        """Return the label images of each field, in the order given."""
        with limited_threads(self.threads):
            return [self._segment(field) for field in fields]

    def _segment(self, field: FieldImage) -> SegmentedField:
        red, _, blue, yellow = np.moveaxis(intensity(field), -1, 0)
        cytoplasm = (red + yellow) / 2
        cells = self._masks(
            np.stack([cytoplasm, blue, np.zeros_like(blue)], -1), field, self.settings.cell_diameter_um
        )
        nuclei = self._masks(np.stack([blue, blue, blue], -1), field, self.settings.nucleus_diameter_um)
        nuclei, _ = number_by_cell(nuclei, cells)
        reason = None if cells.any() else "Cellpose found no cells"
        return SegmentedField(*tidy(cells, nuclei), reason)

    def _masks(self, image: np.ndarray, field: FieldImage, diameter_um: float) -> np.ndarray:
        shape = image.shape[:2]
        diameter = diameter_um / field.pixel_um
        if diameter > 2 * _OBJECT_PX:
            scale = 2 * _OBJECT_PX / diameter
            small = tuple(max(1, round(side * scale)) for side in shape)
            image = cv2.resize(image, small[::-1], interpolation=cv2.INTER_AREA)
            diameter = 2 * _OBJECT_PX
        height, width = image.shape[:2]
        below, beside = max(0, _LEAST_PX - height), max(0, _LEAST_PX - width)
        image = cv2.copyMakeBorder(image, 0, below, 0, beside, cv2.BORDER_REPLICATE)
        masks, *_ = self.model.eval(
            image,
            diameter=diameter,
            channel_axis=-1,
            flow_threshold=self.settings.flow_threshold,
            cellprob_threshold=self.settings.cellprob_threshold,
        )
        return resize_label_image(np.asarray(masks)[:height, :width], shape)


def make_segmenter(settings: SegmentationSettings, resources: Resources) -> CellposeSegmenter:
    """Return the segmenter; raises CellposeError if the package or the model is missing."""
    return CellposeSegmenter(settings.cellpose, resources.threads, resources.device)
