"""Files that segmenters read besides the fields: missing ones are reported, changed ones are detected."""

import os
import subprocess
import sys

import pytest

from puzzlecell.config.segmentation import SegmentationSettings
from puzzlecell.segmentation.requirements import missing_files, missing_label_images, weights_state


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights").mkdir()
    return tmp_path / "weights"


def place(folder, *names):
    for name in names:
        (folder / name).write_bytes(b"weights")


CONVERTED = ("hpa_dpn_nuclei.safetensors", "hpa_dpn_cell.safetensors")
PUBLISHED = ("dpn_unet_nuclei_v1.pth", "dpn_unet_cell_3ch_v1.pth")


def test_missing_weights_are_reported_with_their_source_path_and_command(folder):
    settings = SegmentationSettings(method="hpa_dpn")
    nuclei, cell = missing_files(settings)
    for text, published, path in zip((nuclei, cell), PUBLISHED, CONVERTED, strict=True):
        assert f"no weights weights/{path}" in text
        assert "zenodo.org/record/4665863" in text
        assert f"puzzlecell convert-segmenter weights/{published} weights/{path}" in text
    place(folder, *CONVERTED, f"{CONVERTED[0]}.sha256")
    assert missing_files(settings) == [
        "weights/hpa_dpn_cell.safetensors.sha256 is missing; it is written with weights/hpa_dpn_cell.safetensors: "
        "copy it as well or convert the weights again"
    ]
    place(folder, f"{CONVERTED[1]}.sha256")
    assert missing_files(settings) == []


def test_the_package_needs_published_weights_and_a_python(folder):
    settings = SegmentationSettings(method="hpacellseg", hpacellseg={"python": "no-such-python"})
    nuclei, cell, python = missing_files(settings)
    assert "download dpn_unet_nuclei_v1.pth from https://zenodo.org" in nuclei
    assert "download dpn_unet_cell_3ch_v1.pth from https://zenodo.org" in cell
    assert "no-such-python" in python
    assert "envs/hpacellseg.yaml" in python
    place(folder, *PUBLISHED)
    given = SegmentationSettings(method="hpacellseg", hpacellseg={"python": sys.executable})
    assert missing_files(given) == []


def test_a_model_of_cellpose_is_a_name_or_a_file(folder):
    assert missing_files(SegmentationSettings(method="cellpose")) == []
    own = SegmentationSettings(method="cellpose", cellpose={"model": "weights/own"})
    assert missing_files(own) == ["segmentation.cellpose: there is no file weights/own"]
    place(folder, "own")
    assert missing_files(own) == []


def test_folders_of_masks(tmp_path):
    settings = SegmentationSettings(method="masks")
    (text,) = missing_files(settings, [tmp_path, tmp_path / "absent"])
    assert "absent" in text
    assert "<ID>_cells.png" in text
    assert missing_files(SegmentationSettings(), [tmp_path / "absent"]) == []


def test_fields_without_a_label_image(tmp_path):
    for field_id in ("a", "b"):
        (tmp_path / f"{field_id}_cells.png").touch()
    assert missing_label_images(tmp_path, ["a", "b"]) == []
    (text,) = missing_label_images(tmp_path, ["a", "c", "b", "d"])
    assert text == f"{tmp_path}: 2 of 4 fields have no <ID>_cells.png, such as c_cells.png, d_cells.png"


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"method": "hpa_dpn"}, CONVERTED),
        ({"method": "hpacellseg"}, PUBLISHED),
        ({"method": "cellpose", "cellpose": {"model": "weights/own"}}, ("own",)),
    ],
)
def test_the_state_changes_with_every_file_of_weights(folder, settings, names):
    settings = SegmentationSettings(**settings)
    assert settings.chosen.weight_files() == [f"weights/{name}" for name in names]
    states = [weights_state(settings)]
    for name in names:
        place(folder, name)
        states.append(weights_state(settings))
    for name in names:
        os.utime(folder / name, (1, 1))
        states.append(weights_state(settings))
    assert len(set(states)) == len(states)
    assert weights_state(settings) == states[-1]


@pytest.mark.parametrize("method", ["classical", "masks", "cellpose"])
def test_methods_without_files_of_weights_have_no_state(method):
    assert weights_state(SegmentationSettings(method=method)) is None


def test_planning_imports_nothing_heavy():
    heavy = "{'torch', 'cv2', 'skimage', 'h5py'}"
    code = f"import sys, puzzlecell.segmentation.requirements; print(*{heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
