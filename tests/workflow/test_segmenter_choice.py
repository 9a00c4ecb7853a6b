"""Segmenters with additional files: missing ones are reported before any work, changed ones cause a rerun."""

import os
import sys

import h5py
import pandas as pd
import pytest

from puzzlecell.data.store import ShardReader
from puzzlecell.data.submission_file import read_submission

# A package with the interface of hpacellseg that detects bright objects, and nothing in the first field of each shard.
PACKAGE = """
import numpy as np

class CellSegmentator:
    def __init__(self, nuclei_model, cell_model, scale_factor, device, padding, multi_channel_model):
        self.seen = 0

    def found(self, image):
        found = np.zeros((*image.shape, 3), np.uint8)
        found[..., 2] = 255 * (image > 0.3 * image.max()) * (self.seen > 1)
        return found

    def pred_nuclei(self, images):
        self.seen += 1
        return [self.found(images[0])]

    def pred_cells(self, images):
        red, yellow, _ = images
        return [self.found(red[0].astype(float) + yellow[0])]
"""
WEIGHTS = ("weights/dpn_unet_nuclei_v1.pth", "weights/dpn_unet_cell_3ch_v1.pth")


def configure(project, segmentation):
    change = {"segmentation": segmentation}
    return {"configuration": project.configure("segmenter.yaml", lambda settings: settings.update(change))}


@pytest.fixture(scope="module")
def segmented(finished, tmp_path_factory):
    """The finished tiny project, rerun with the package as its segmenter, and the options of that run."""
    project = finished.copy(tmp_path_factory.mktemp("segmenter") / "project")
    package = project.folder / "src/hpacellseg"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "cellsegmentator.py").write_text(PACKAGE)
    (project.folder / "weights").mkdir()
    for name in WEIGHTS:
        (project.folder / name).write_bytes(b"weights")
    own = {"python": sys.executable, "label_with": "puzzlecell", "pixel_um": 2.56}
    options = configure(project, {"method": "hpacellseg", "hpacellseg": own})
    done = project.run("results/submission.csv", **options)
    assert done.returncode == 0, done.stdout[-4000:]
    return project, options


def test_missing_weights_are_reported_before_any_job(fresh):
    options = configure(fresh, {"method": "hpa_dpn"})
    assert fresh.run("-n", "masks", **options).returncode == 0, "a dry run needs no weights"
    done = fresh.run("masks", **options)
    assert done.returncode != 0
    for expected in (
        "no weights weights/hpa_dpn_nuclei.safetensors: download dpn_unet_nuclei_v1.pth from https://zenodo.org",
        "puzzlecell convert-segmenter weights/dpn_unet_cell_3ch_v1.pth weights/hpa_dpn_cell.safetensors",
    ):
        assert expected in done.stdout
    assert "Traceback" not in done.stdout
    assert not (fresh.folder / "results/simulated").exists()


def test_weights_are_not_required_if_nothing_is_segmented(finished, tmp_path):
    project = finished.copy(tmp_path / "project")
    (project.folder / "results/folds/folds.csv").unlink()
    done = project.run("folds", **configure(project, {"method": "hpa_dpn"}))
    assert done.returncode == 0, done.stdout[-4000:]


@pytest.mark.parametrize("name", WEIGHTS)
def test_changed_weights_rerun_the_segmentation(segmented, name):
    project, options = segmented
    assert project.planned("masks", **options) == {}
    path = project.folder / name
    status = path.stat()
    path.write_bytes(b"other weights")
    planned = project.planned("masks", **options)
    path.write_bytes(b"weights")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert planned == {"segment": 2, "masks": 1}
    assert project.planned("masks", **options) == {}


def test_fields_without_cells_are_listed_and_stay_in_the_submission(segmented):
    project, _ = segmented
    results = project.folder / "results"
    listed = {}
    for table in sorted((results / "masks/test").glob("*.parquet")):
        listed |= pd.read_parquet(table).attrs["no_cells"]
        log = (results / f"logs/segment/test/{table.name.split('.')[0]}.log").read_text()
        for field, reason in pd.read_parquet(table).attrs["no_cells"].items():
            assert f"{field}: no cells: {reason}" in log
    masks = ShardReader(sorted((results / "masks/test").glob("*.h5")))
    empty = {field for field in masks.ids if not masks.read(field, "cells").any()}
    assert set(listed) == empty
    assert 2 <= len(empty) < len(masks.ids)
    submission = read_submission(results / "submission.csv")
    assert submission["ID"].tolist() == pd.read_csv(results / "simulated/test/labels.csv")["ID"].tolist()
    with h5py.File(results / "masks/test/000.h5") as file:
        assert file.attrs["segmenter"] == b"hpacellseg"
