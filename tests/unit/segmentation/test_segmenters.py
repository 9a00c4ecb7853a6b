"""The interface of the segmenters: `segmentation.method` chooses one."""

import pytest

from puzzlecell.config.segmentation import SegmentationSettings
from puzzlecell.config.segmenters import HpaDpnSettings
from puzzlecell.segmentation.base import Resources
from puzzlecell.segmentation.classical import ClassicalSegmenter
from puzzlecell.segmentation.factory import make_segmenter
from puzzlecell.segmentation.user_masks import MasksSegmenter


def test_the_method_chooses_the_segmenter(tmp_path):
    (tmp_path / "masks").mkdir()
    assert isinstance(make_segmenter(SegmentationSettings(), Resources()), ClassicalSegmenter)
    assert isinstance(
        make_segmenter(SegmentationSettings(method="masks"), Resources(data_folder=tmp_path)), MasksSegmenter
    )
    with pytest.raises(ValueError, match="folder of the data set is not known"):
        make_segmenter(SegmentationSettings(method="masks"), Resources())
    missing = HpaDpnSettings(nuclei_weights=str(tmp_path / "absent"))
    with pytest.raises(ValueError, match="convert-segmenter"):
        make_segmenter(SegmentationSettings(method="hpa_dpn", hpa_dpn=missing), Resources())
