"""Segmentation of fields into cells, behind one interface; `segmentation.method` chooses the segmenter."""

import os
from pathlib import Path

from puzzlecell.config.segmentation import SegmentationSettings
from puzzlecell.segmentation.base import FieldImage, SegmentedField, Segmenter
from puzzlecell.segmentation.shard import segment_shard

__all__ = ["FieldImage", "SegmentedField", "Segmenter", "make_segmenter", "segment_shard"]


def make_segmenter(
    settings: SegmentationSettings,
    threads: int = 1,
    device: str = "cpu",
    data_folder: str | os.PathLike | None = None,
) -> Segmenter:
    """The segmenter that the settings choose; what it needs is imported here, so that the others cost nothing.

    data_folder: the data set's folder, in which `masks` looks for the user's label images.
    Raises ValueError or ImportError where weights, label images or a package are missing, saying what to do.
    """
    if settings.method == "hpa_dpn":
        from puzzlecell.segmentation.hpa_dpn import HpaDpnSegmenter

        return HpaDpnSegmenter(settings.hpa_dpn, settings.labelling, threads, device)
    if settings.method == "hpacellseg":
        from puzzlecell.segmentation.hpacellseg import HpaCellSegSegmenter

        return HpaCellSegSegmenter(settings.hpacellseg, settings.labelling, threads, device)
    if settings.method == "cellpose":
        from puzzlecell.segmentation.cellpose import CellposeSegmenter

        return CellposeSegmenter(settings.cellpose, threads, device)
    if settings.method == "masks":
        from puzzlecell.segmentation.user_masks import MasksSegmenter

        if data_folder is None:
            raise ValueError("segmentation.method is masks, but no data folder was given to look for them in")
        return MasksSegmenter(Path(data_folder, settings.masks.folder), settings.classical, threads)
    from puzzlecell.segmentation.classical import ClassicalSegmenter

    return ClassicalSegmenter(settings.classical, threads)
