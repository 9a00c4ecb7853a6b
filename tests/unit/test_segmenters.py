"""Segmenters that stand on files or packages of others; small ones with their interface play the packages."""

import subprocess
import sys
import textwrap
import types
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from puzzlecell.config.segmentation import (
    CellposeSettings,
    ClassicalSettings,
    HpaCellSegSettings,
    HpaDpnSettings,
    LabellingSettings,
    MasksSettings,
    SegmentationSettings,
)
from puzzlecell.segmentation import FieldImage, make_segmenter, segment_shard
from puzzlecell.segmentation.cellpose import CellposeSegmenter
from puzzlecell.segmentation.classical import ClassicalSegmenter
from puzzlecell.segmentation.hpacellseg import HpaCellSegError, HpaCellSegSegmenter
from puzzlecell.segmentation.masks import MasksError, MasksSegmenter
from puzzlecell.store import ShardReader, write_shard

ROOT = Path(__file__).parents[2]


def discs(height=400, width=400, scale=1.0):
    """A uint8 field of two round cells with nuclei."""
    rows, columns = np.mgrid[:height, :width]
    field = np.zeros((height, width, 4), np.uint8)
    for x in (width // 4, 3 * width // 4):
        distance = np.hypot(rows - height // 2, columns - x)
        field[distance < 80 * scale, 0] = field[distance < 80 * scale, 3] = 200
        field[distance < 40 * scale, 2] = 250
    return field


def test_the_method_chooses_the_segmenter(tmp_path):
    (tmp_path / "masks").mkdir()
    assert isinstance(make_segmenter(SegmentationSettings()), ClassicalSegmenter)
    assert isinstance(
        make_segmenter(SegmentationSettings(method="masks"), data_folder=tmp_path), MasksSegmenter
    )
    with pytest.raises(ValueError, match="no data folder"):
        make_segmenter(SegmentationSettings(method="masks"))
    missing = HpaDpnSettings(nuclei_weights=str(tmp_path / "absent"))
    with pytest.raises(ValueError, match="convert-segmenter"):
        make_segmenter(SegmentationSettings(method="hpa_dpn", hpa_dpn=missing))


# Label images of the user's own


def write_masks(folder, cells, nuclei=None, name="f"):
    folder.mkdir(exist_ok=True)
    cv2.imwrite(str(folder / f"{name}_cells.png"), cells)
    if nuclei is not None:
        cv2.imwrite(str(folder / f"{name}_nuclei.png"), nuclei)
    return MasksSegmenter(folder, ClassicalSettings())


def own_masks(dtype=np.uint16):
    cells, nuclei = np.zeros((2, 60, 80), dtype)
    cells[5:50, 5:35], cells[5:50, 35:75] = 9, 200
    nuclei[10:20, 10:20], nuclei[15:25, 50:60] = 1, 2
    return cells, nuclei


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_own_masks_are_taken_with_nuclei_numbered_as_their_cells(tmp_path, dtype):
    cells, nuclei = own_masks(dtype)
    image = np.zeros((60, 80, 4), np.uint8)
    (found,) = write_masks(tmp_path, cells, nuclei).segment([FieldImage("f", image, 0.08)])
    assert np.array_equal(found.cells, np.where(cells == 9, 1, np.where(cells == 200, 2, 0)))
    assert np.array_equal(found.nuclei, nuclei)
    assert found.cells.dtype == found.nuclei.dtype == np.uint16


def test_own_masks_of_another_size_are_brought_to_the_field(tmp_path):
    cells, nuclei = own_masks()
    (found,) = write_masks(tmp_path, cells, nuclei).segment(
        [FieldImage("f", np.zeros((30, 40, 4), np.uint8), 0.16)]
    )
    assert found.cells.shape == (30, 40)
    assert (found.cells[5:20, 5:15] == 1).all()


def test_without_a_file_of_nuclei_they_are_found_in_blue(tmp_path):
    image = discs()
    cells = np.zeros((400, 400), np.uint16)
    cells[:, :200], cells[:, 200:] = 1, 2
    (found,) = write_masks(tmp_path, cells).segment([FieldImage("f", image, 0.16)])
    overlap = ((found.nuclei > 0) & (image[..., 2] > 0)).sum() / (
        (found.nuclei > 0) | (image[..., 2] > 0)
    ).sum()
    assert overlap > 0.9
    assert set(np.unique(found.nuclei)) == {0, 1, 2}


def test_pieces_of_a_cell_are_left_out_with_a_warning(tmp_path, caplog):
    cells, nuclei = own_masks()
    cells[55:58, 5:8] = 9
    (found,) = write_masks(tmp_path, cells, nuclei).segment(
        [FieldImage("f", np.zeros((60, 80, 4), np.uint8), 1)]
    )
    assert not found.cells[55:58, 5:8].any()
    assert "9 pixels left out" in caplog.text


def wrong(case):
    cells, nuclei = own_masks()
    if case == "nuclei outside":
        nuclei[52:58, 2:10] = 3
    elif case == "colour":
        cells = np.stack([cells] * 3, -1)
    elif case == "proportions":
        cells = cells[:, :60]
    elif case == "nuclei of another size":
        nuclei = nuclei[:40]
    return cells, nuclei


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("nuclei outside", "f_nuclei.png: nuclei 3 lie outside"),
        ("colour", "f_cells.png: shape .*expected a greyscale"),
        ("proportions", "f_cells.png: 60 x 60 pixels .*80 x 60"),
        ("nuclei of another size", "f_nuclei.png: 80 x 40"),
    ],
)
def test_wrong_masks_are_named(tmp_path, case, message):
    made = write_masks(tmp_path, *wrong(case))
    with pytest.raises(MasksError, match=message):
        made.segment([FieldImage("f", np.zeros((60, 80, 4), np.uint8), 0.08)])


def test_missing_and_damaged_masks(tmp_path):
    made = write_masks(tmp_path, *own_masks())
    image = np.zeros((60, 80, 4), np.uint8)
    with pytest.raises(MasksError, match=r"g_cells\.png is missing"):
        made.segment([FieldImage("g", image, 1)])
    (tmp_path / "h_cells.png").write_bytes(b"no picture")
    with pytest.raises(MasksError, match=r"h_cells\.png: damaged"):
        made.segment([FieldImage("h", image, 1)])
    with pytest.raises(MasksError, match="there is no folder"):
        MasksSegmenter(tmp_path / "absent", ClassicalSettings())


def test_a_shard_takes_masks_from_beside_the_raw_fields(tmp_path):
    cells, nuclei = own_masks()
    write_masks(tmp_path / "annotated", cells, nuclei)
    write_masks(tmp_path / "annotated", cells * 0, name="none")
    sizes = {"height": np.array([60, 60]), "width": np.array([80, 80])}
    images = {"images": np.full((2, 64, 64, 4), 9, np.uint8)}
    write_shard(tmp_path / "store.h5", ["f", "none"], {**images, **sizes}, {})
    settings = SegmentationSettings(method="masks", masks=MasksSettings(folder="annotated"))
    segment_shard(
        tmp_path / "store.h5", tmp_path / "m.h5", tmp_path / "t.parquet", settings, 1.0, tmp_path / "images"
    )
    import pandas as pd

    table = pd.read_parquet(tmp_path / "t.parquet")
    assert table["cell"].tolist() == [1, 2]
    assert np.allclose(table["area_px"], [45 * 30, 45 * 40], rtol=0.06)
    assert ShardReader([tmp_path / "m.h5"]).read("f", "cells").shape == (64, 64)
    assert "none_cells.png has no cells" in table.attrs["no_cells"]["none"]


# Cellpose


@pytest.fixture
def cellpose(monkeypatch):
    """A package with Cellpose's interface that finds connected bright objects, and what it was asked."""
    asked = []

    class CellposeModel:
        def __init__(self, gpu, device, pretrained_model):
            asked.append({"gpu": gpu, "device": str(device), "model": pretrained_model})

        def eval(self, image, **options):
            asked.append({"shape": image.shape, **options})
            bright = image[..., 0] > 0.3
            return cv2.connectedComponents(bright.astype(np.uint8))[1], None, None

    package, models = types.ModuleType("cellpose"), types.ModuleType("cellpose.models")
    models.CellposeModel, package.models = CellposeModel, models
    monkeypatch.setitem(sys.modules, "cellpose", package)
    monkeypatch.setitem(sys.modules, "cellpose.models", models)
    return asked


def test_cellpose_is_asked_for_cells_and_nuclei(cellpose):
    settings = CellposeSettings(
        model="mine", cell_diameter_um=25, nucleus_diameter_um=12, flow_threshold=0.7, cellprob_threshold=-1
    )
    (found,) = CellposeSegmenter(settings).segment([FieldImage("f", discs(), 0.16)])
    assert cellpose[0] == {"gpu": False, "device": "cpu", "model": "mine"}
    cells, nuclei = cellpose[1:]
    # 25 micrometres are 156 pixels; Cellpose works at 30 pixels an object, twice that is kept.
    assert cells["diameter"] == 60
    assert cells["shape"] == (154, 154, 3)
    assert nuclei["diameter"] == 60
    assert nuclei["shape"] == (320, 320, 3)
    assert (cells["flow_threshold"], cells["cellprob_threshold"], cells["channel_axis"]) == (0.7, -1, -1)
    assert found.cells.shape == (400, 400)
    assert found.cells.max() == found.nuclei.max() == 2
    assert (found.cells[found.nuclei > 0] == found.nuclei[found.nuclei > 0]).all()
    assert abs((found.cells > 0).sum() / (2 * np.pi * 80**2) - 1) < 0.1


def test_cellpose_without_cells_says_so(cellpose):
    (found,) = CellposeSegmenter(CellposeSettings()).segment([FieldImage("f", discs() * 0, 0.16)])
    assert found.reason == "Cellpose found no cells"


def test_cellpose_is_imported_only_when_chosen(monkeypatch):
    monkeypatch.setitem(sys.modules, "cellpose", None)
    make_segmenter(SegmentationSettings())
    with pytest.raises(ImportError, match=r"puzzlecell\[cellpose\]"):
        make_segmenter(SegmentationSettings(method="cellpose"))


# The published package


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package hpacellseg with the published interface, and weights for it to find."""
    folder = tmp_path / "site" / "hpacellseg"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "cellsegmentator.py").write_text(
        textwrap.dedent(
            """
            import os
            import cv2
            import numpy as np
            print("the package talks")
            class CellSegmentator:
                def __init__(self, nuclei_model, cell_model, scale_factor, device, padding, multi_channel_model):
                    assert os.path.isfile(nuclei_model) and os.path.isfile(cell_model) and multi_channel_model
                    self.padding, self.device = padding, device
                def _predict(self, image):
                    assert image.max() < 251 or self.device == "cpu", "too bright"
                    found = np.zeros(image.shape[:2] + (3,), np.uint8)
                    found[..., 2] = image.reshape(image.shape[:2] + (-1,)).max(-1)
                    found[0, 0, :2] = round(self.scale_factor * 100), self.padding
                    # as published: width and height exchanged
                    return cv2.resize(found, image.shape[:2], interpolation=cv2.INTER_NEAREST)
                def pred_nuclei(self, images):
                    return [self._predict(images[0])]
                def pred_cells(self, images):
                    red, yellow, blue = (channel[0] for channel in images)
                    return [self._predict(np.dstack([red, yellow, blue]))]
            """
        )
    )
    (folder / "utils.py").write_text(
        textwrap.dedent(
            """
            import cv2, numpy as np
            def label_cell(nuclei, cells):
                labels = cv2.connectedComponents((cells[..., 2] > 90).astype(np.uint8))[1]
                return np.where(nuclei[..., 2] > 90, labels, 0), labels.astype(np.uint16)
            """
        )
    )
    monkeypatch.setenv("PYTHONPATH", str(folder.parent))
    weights = {}
    for name in ("nuclei_weights", "cell_weights"):
        weights[name] = str(tmp_path / f"{name}.pth")
        Path(weights[name]).write_bytes(b"weights")
    return {"python": sys.executable, **weights}


@pytest.mark.parametrize("shape", [(400, 400), (400, 300)])
@pytest.mark.parametrize("label_with", ["package", "puzzlecell"])
def test_the_package_is_run_in_a_process_of_its_own(package, shape, label_with):
    made = HpaCellSegSegmenter(HpaCellSegSettings(**package, label_with=label_with), LabellingSettings())
    fields = [FieldImage(name, discs(*shape, scale=0.8), 0.08) for name in "ab"]
    found = made.segment(fields)
    made.close()
    for entry in found:
        assert entry.cells.shape == shape
        assert entry.cells.dtype == entry.nuclei.dtype == np.uint16
        assert entry.cells.max() == entry.nuclei.max() == 2
        assert (entry.cells[entry.nuclei > 0] == entry.nuclei[entry.nuclei > 0]).all()
        assert abs((entry.cells > 0).sum() / (2 * np.pi * 64**2) - 1) < 0.1


def test_scale_padding_and_device_reach_the_package(package):
    def predicted(**settings):
        made = HpaCellSegSegmenter(
            HpaCellSegSettings(**package, label_with="puzzlecell", **settings), LabellingSettings()
        )
        found = made._ask(FieldImage("f", discs(), 0.16), label=False)
        made.close()
        return found["nuclei"][0, 0]

    assert predicted()[:2].tolist() == [50, 1]
    assert predicted(padding=False, pixel_um=0.64)[:2].tolist() == [25, 0]


def test_problems_of_the_package_are_passed_on(package):
    made = HpaCellSegSegmenter(HpaCellSegSettings(**package), LabellingSettings())
    with pytest.raises(HpaCellSegError, match="source: raw, or .*label_with: puzzlecell"):
        made.segment([FieldImage("f", discs(), 0.32)])
    made.close()
    made = HpaCellSegSegmenter(HpaCellSegSettings(**package), LabellingSettings(), device="cuda:0")
    with pytest.raises(HpaCellSegError, match=r"bright: hpacellseg failed:[\s\S]*too bright"):
        made.segment([FieldImage("bright", np.full((64, 64, 4), 255, np.uint8), 0.08)])
    made.close()


def test_a_missing_package_or_environment_is_explained(package, tmp_path, monkeypatch):
    settings = HpaCellSegSettings(**{**package, "python": str(tmp_path / "no-python")})
    with pytest.raises(HpaCellSegError, match=r"envs/hpacellseg\.yaml"):
        HpaCellSegSegmenter(settings, LabellingSettings())
    settings = HpaCellSegSettings(**{**package, "cell_weights": str(tmp_path / "absent.pth")})
    with pytest.raises(HpaCellSegError, match=r"zenodo\.org"):
        HpaCellSegSegmenter(settings, LabellingSettings())
    monkeypatch.setenv("PYTHONPATH", "")
    made = HpaCellSegSegmenter(HpaCellSegSettings(**package), LabellingSettings())
    with pytest.raises(HpaCellSegError, match="is hpacellseg installed"):
        made.segment([FieldImage("f", discs(), 0.08)])
    made.close()


def test_the_worker_needs_nothing_of_this_package():
    text = (ROOT / "src/puzzlecell/segmentation/hpacellseg_worker.py").read_text()
    assert "import puzzlecell" not in text
    assert "from puzzlecell" not in text
    help_text = subprocess.run(
        [sys.executable, "-I", "-", "--help"], input=text, capture_output=True, text=True, check=True
    ).stdout
    assert "nuclei_weights" in help_text


def test_the_environment_pins_what_the_package_needs():
    environment = yaml.safe_load((ROOT / "envs/hpacellseg.yaml").read_text())
    (pinned,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    names = {line.split("==")[0].split(" @ ")[0] for line in pinned}
    assert {"numpy", "scikit-image", "torch", "pytorch_zoo", "hpacellseg"} <= names
    assert all("==" in line or " @ https://" in line for line in pinned)
