"""Make the segmenter that `segmentation.method` chooses."""

from importlib import import_module

from puzzlecell.config.segmentation import SegmentationSettings
from puzzlecell.segmentation.base import Resources, Segmenter


def make_segmenter(settings: SegmentationSettings, resources: Resources) -> Segmenter:
    """The chosen segmenter. Only its module is imported, so the others cost nothing.

    Raises ValueError or ImportError where weights, label images or a package are missing, saying what to do.
    """
    return import_module(settings.chosen.module_name()).make_segmenter(settings, resources)
