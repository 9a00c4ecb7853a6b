"""Cellpose as a segmenter: cells from red, yellow and blue, nuclei from blue. An optional extra."""

from collections.abc import Sequence

import cv2
import numpy as np

from puzzlecell.config.segmentation import CellposeSettings
from puzzlecell.inference import limited_threads
from puzzlecell.segmentation.base import FieldImage, SegmentedField, Segmenter, intensity
from puzzlecell.segmentation.label_images import number_by_cell, resize_label_image, tidy

# Cellpose scales every picture so that objects are 30 pixels wide; more pixels than that are not looked at.
_OBJECT_PX = 30


class CellposeSegmenter(Segmenter):
    """Both runs use one model; a nucleus belongs to the cell that covers most of it."""

    def __init__(self, settings: CellposeSettings, threads: int = 1, device: str = "cpu"):
        """Raises ImportError, saying what to install, where Cellpose is not installed."""
        try:
            from cellpose import models
        except ImportError as error:
            raise ImportError(
                "segmentation.method is cellpose, but it is not installed: pip install 'puzzlecell[cellpose]'"
            ) from error
        import torch

        self.settings, self.threads = settings, threads
        self.model = models.CellposeModel(
            gpu=device != "cpu", device=torch.device(device), pretrained_model=settings.model
        )

    def segment(self, fields: Sequence[FieldImage]) -> list[SegmentedField]:
        """Label images of each field, in the order given."""
        with limited_threads(self.threads):
            return [self._segment(field) for field in fields]

    def _segment(self, field: FieldImage) -> SegmentedField:
        red, _, blue, yellow = np.moveaxis(intensity(field.image), -1, 0)
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
        masks, *_ = self.model.eval(
            image,
            diameter=diameter,
            channel_axis=-1,
            flow_threshold=self.settings.flow_threshold,
            cellprob_threshold=self.settings.cellprob_threshold,
        )
        return resize_label_image(np.asarray(masks), shape)
