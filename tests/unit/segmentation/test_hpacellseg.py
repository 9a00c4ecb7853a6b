"""The published package hpacellseg as a segmenter in its own process, replaced here by a stub with its interface."""

import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import yaml
from helpers.paths import ROOT
from helpers.segmentation_data import in_order, two_discs

from puzzlecell.config.labelling import LabellingSettings
from puzzlecell.config.segmenters import HpaCellSegSettings
from puzzlecell.segmentation.base import FieldImage
from puzzlecell.segmentation.hpacellseg import HpaCellSegError, HpaCellSegSegmenter


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A stub of hpacellseg with the published interface, and its weight files."""
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
                    self.target_shape = image.shape
                    small = [round(side * self.scale_factor) for side in image.shape[:2]]
                    image = cv2.resize(image, small[::-1], interpolation=cv2.INTER_AREA)
                    found = np.zeros(image.shape[:2] + (3,), np.uint8)
                    found[..., 2] = image.reshape(image.shape[:2] + (-1,)).max(-1)
                    found[0, 0] = round(self.scale_factor * 100), self.padding, os.environ["OMP_NUM_THREADS"]
                    found[0, 1, 0] = cv2.getNumThreads()
                    if self.scale_factor == 1:
                        return found
                    # as published: width and height exchanged
                    size = self.target_shape[0], self.target_shape[1]
                    return cv2.resize(found, size, interpolation=cv2.INTER_NEAREST)
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
def test_the_package_runs_in_its_own_process(package, shape, label_with):
    made = HpaCellSegSegmenter(HpaCellSegSettings(**package, label_with=label_with), LabellingSettings())
    fields = [FieldImage(name, two_discs(*shape, scale=0.8), 0.08) for name in "ab"]
    found = made.segment(fields)
    made.close()
    for entry in found:
        assert entry.cells.shape == shape
        in_order(entry.cells, entry.nuclei)
        assert entry.cells.max() == entry.nuclei.max() == 2
        for x in (shape[1] // 4, 3 * shape[1] // 4):
            assert entry.nuclei[shape[0] // 2, x] > 0
        assert abs((entry.cells > 0).sum() / (2 * np.pi * 64**2) - 1) < 0.1


def test_scale_padding_and_threads_reach_the_package(package):
    def predicted(threads, **settings):
        made = HpaCellSegSegmenter(
            HpaCellSegSettings(**package, label_with="puzzlecell", **settings), LabellingSettings(), threads
        )
        found = made._ask(FieldImage("f", two_discs(), 0.16), label=False)["nuclei"]
        made.close()
        return [*found[0, 0].tolist(), int(found[0, 1, 0])]

    assert predicted(1, pixel_um=0.16) == [100, 1, 1, 1]
    assert predicted(2)[:3] == [50, 1, 2]
    assert predicted(1, padding=False, pixel_um=0.64)[:3] == [25, 0, 1]


def test_our_final_labelling_steps_apply_to_the_packages_labels(package):
    image = two_discs(scale=0.8)
    image[:, :200, 2] = 0  # a cell without nucleus
    image[198:200, :40, [0, 3]] = 200  # and its tail, two pixels wide

    def found(**labelling):
        settings = HpaCellSegSettings(**package, pixel_um=0.08)  # not scaled, which would widen the tail
        made = HpaCellSegSegmenter(settings, LabellingSettings(**labelling))
        (entry,) = made.segment([FieldImage("f", image, 0.08)])
        made.close()
        in_order(entry.cells, entry.nuclei)
        return entry.cells

    whole, opened = found(), found(finish_opening=True)
    assert whole.max() == opened.max() == 2
    assert whole[198, 20] > 0 == opened[198, 20]
    assert found(keep_without_nucleus=False).max() == 1


def test_errors_of_the_package_are_passed_on(package):
    made = HpaCellSegSegmenter(HpaCellSegSettings(**package), LabellingSettings())
    with pytest.raises(HpaCellSegError, match="source: raw, or .*label_with: puzzlecell"):
        made.segment([FieldImage("f", two_discs(), 0.32)])
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
        made.segment([FieldImage("f", two_discs(), 0.08)])
    made.close()


def test_the_worker_does_not_import_puzzlecell():
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
