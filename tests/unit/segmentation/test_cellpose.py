"""Cellpose as a segmenter, replaced here by a stub with its interface."""

import sys
import types

import cv2
import numpy as np
import pytest
from helpers.segmentation_data import in_order, two_discs

from puzzlecell.config.segmentation import SegmentationSettings
from puzzlecell.config.segmenters import CellposeSettings
from puzzlecell.segmentation.base import FieldImage, Resources
from puzzlecell.segmentation.cellpose import CellposeError, CellposeSegmenter
from puzzlecell.segmentation.factory import make_segmenter


@pytest.fixture
def cellpose(monkeypatch):
    """A stub of Cellpose that detects connected bright objects; the value is a record of its calls."""
    asked = []

    class CellposeModel:
        def __init__(self, gpu, device, pretrained_model):
            asked.append({"gpu": gpu, "device": str(device), "model": pretrained_model})

        def eval(self, image, **options):
            # Like the package: images have three channels, and too small ones fail.
            assert image.shape[2] == 3
            assert min(image.shape[:2]) > 2
            asked.append({"shape": image.shape, **options})
            bright = image[..., 0] > 0.3
            return cv2.connectedComponents(bright.astype(np.uint8))[1], None, None

    package, models = types.ModuleType("cellpose"), types.ModuleType("cellpose.models")
    models.CellposeModel, package.models = CellposeModel, models
    models.MODEL_NAMES, models.get_user_models = ["cpsam"], lambda: ["mine"]
    monkeypatch.setitem(sys.modules, "cellpose", package)
    monkeypatch.setitem(sys.modules, "cellpose.models", models)
    return asked


def test_cellpose_is_called_for_cells_and_nuclei(cellpose):
    settings = CellposeSettings(
        model="mine", cell_diameter_um=25, nucleus_diameter_um=12, flow_threshold=0.7, cellprob_threshold=-1
    )
    (found,) = CellposeSegmenter(settings).segment([FieldImage("f", two_discs(), 0.16)])
    assert cellpose[0] == {"gpu": False, "device": "cpu", "model": "mine"}
    cells, nuclei = cellpose[1:]
    # 25 micrometres are 156 pixels. Cellpose works at 30 pixels per object; images are reduced to twice that.
    assert cells["diameter"] == 60
    assert cells["shape"] == (154, 154, 3)
    assert nuclei["diameter"] == 60
    assert nuclei["shape"] == (320, 320, 3)
    assert (cells["flow_threshold"], cells["cellprob_threshold"], cells["channel_axis"]) == (0.7, -1, -1)
    assert found.cells.shape == (400, 400)
    assert found.cells.max() == found.nuclei.max() == 2
    in_order(found.cells, found.nuclei)
    assert abs((found.cells > 0).sum() / (2 * np.pi * 80**2) - 1) < 0.1


def test_no_cells_by_cellpose_gives_a_reason(cellpose):
    (found,) = CellposeSegmenter(CellposeSettings()).segment([FieldImage("f", two_discs() * 0, 0.16)])
    assert found.reason == "Cellpose found no cells"


@pytest.mark.parametrize("shape", [(1, 1), (1, 90), (300, 500)])
def test_fields_of_any_size(cellpose, shape):
    (found,) = CellposeSegmenter(CellposeSettings()).segment([FieldImage("f", two_discs(*shape, 0.7), 0.16)])
    assert found.cells.shape == found.nuclei.shape == shape
    in_order(found.cells, found.nuclei)


def test_a_model_that_cellpose_would_replace_by_its_default_is_refused(cellpose, tmp_path):
    with pytest.raises(
        CellposeError, match="cpsan is neither a file nor a Cellpose model; known models: cpsam, mine"
    ):
        CellposeSegmenter(CellposeSettings(model="cpsan"))
    (tmp_path / "own").write_bytes(b"weights")
    CellposeSegmenter(CellposeSettings(model=str(tmp_path / "own")))


def test_cellpose_is_imported_only_when_chosen(monkeypatch):
    monkeypatch.setitem(sys.modules, "cellpose", None)
    make_segmenter(SegmentationSettings(), Resources())
    with pytest.raises(CellposeError, match=r"puzzlecell\[cellpose\]"):
        make_segmenter(SegmentationSettings(method="cellpose"), Resources())
