"""The pixel size of each field: from the table of images, the configuration, or the metadata of its images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from puzzlecell.config.datasets import ASSUMED_PIXEL_UM
from puzzlecell.data.field_sources import RawDataset, image_sources
from puzzlecell.data.fields import SAME_PIXEL_SIZE

METADATA = "pixel_size_um"
"""Name in the store of the pixel sizes that the metadata of the images gives."""


@dataclass(frozen=True)
class PixelSizes:
    """What is stated about the pixel sizes of a data set, in micrometres.

    configured: for all fields; None: nothing. by_field: of single fields (by ID), which goes before it.
    """

    configured: float | None = None
    by_field: Mapping[str, float] = field(default_factory=dict)

    def of(self, stored: pd.DataFrame) -> np.ndarray:
        """Pixel sizes (N,) float64 of stored fields: stated, else that of the metadata, else 0.08.

        stored: index ID, with the column `pixel_size_um` of the store, NaN where the metadata has none.
        """
        stated = self.stated(stored.index)
        measured = of_metadata(stored)
        known = np.where(np.isnan(stated), measured, stated)
        return np.where(np.isnan(known), ASSUMED_PIXEL_UM, known)

    def stated(self, ids: Sequence[str]) -> np.ndarray:
        """Pixel sizes (N,) float64 that are stated for fields; NaN where nothing is."""
        every = np.nan if self.configured is None else self.configured
        return np.array([self.by_field.get(field_id, every) for field_id in ids], np.float64)

    def contradicted(self, stored: pd.DataFrame) -> np.ndarray:
        """Whether (N,) bool the metadata of a field differs by more than 5 % from what is stated."""
        stated, measured = self.stated(stored.index), of_metadata(stored)
        low, high = np.fmin(stated, measured), np.fmax(stated, measured)
        return ~np.isnan(stated) & ~np.isnan(measured) & (high > low * (1 + SAME_PIXEL_SIZE))


def of_metadata(stored: pd.DataFrame) -> np.ndarray:
    """Pixel sizes (N,) float64 that the metadata of the images gives, NaN without."""
    if METADATA not in stored:
        return np.full(len(stored), np.nan)
    return stored[METADATA].to_numpy(np.float64)


def stated_pixel_sizes(configured: float | None, dataset: RawDataset | None) -> PixelSizes:
    """Pixel sizes from the configuration and from the table of images, if the data set has one.

    Raises the errors of `image_sources`.
    """
    if dataset is None or dataset.table is None:
        return PixelSizes(configured)
    sources = image_sources(dataset)
    sizes = {field_id: sources[field_id].pixel_size_um for field_id in sources.known}
    return PixelSizes(configured, {field_id: size for field_id, size in sizes.items() if size is not None})
