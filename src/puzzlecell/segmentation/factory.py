"""Creation of the segmenter selected by `segmentation.method`."""

from importlib import import_module

from puzzlecell.config.segmentation import SegmentationSettings
from puzzlecell.segmentation.base import Resources, Segmenter


def make_segmenter(settings: SegmentationSettings, resources: Resources) -> Segmenter:
    """Return the selected segmenter; only its own module is imported.

    Raises ValueError or ImportError if weights, label images or a package are missing; the message says what to do.
    """
    return import_module(settings.chosen.module_name()).make_segmenter(settings, resources)
