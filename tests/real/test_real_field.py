"""A real Human Protein Atlas field, predicted with the models of a run on simulated fields."""

import numpy as np
import pytest
import yaml
from helpers.paths import SHARED
from helpers.scores import decode_mask
from skimage.filters import threshold_otsu
from skimage.measure import label, regionprops

from puzzlecell.data.fields import read_field
from puzzlecell.data.store import ShardReader
from puzzlecell.data.submission_file import read_submission

FIELD = "800_A6_1"
FIELDS = SHARED / "hpa_fields"

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not FIELDS.is_dir(), reason=f"no folder {FIELDS}: the real field is missing"),
]


@pytest.fixture(scope="module")
def real(finished, tmp_path_factory):
    """The finished tiny project with the real field as its test set; its trained models are kept."""
    project = finished.copy(tmp_path_factory.mktemp("real") / "project")
    images = project.folder / "data/real/images"
    images.mkdir(parents=True)
    for path in FIELDS.glob(f"{FIELD}_*.png"):
        (images / path.name).symlink_to(path.resolve())
    (project.folder / "data/real/labels.csv").write_text(f"ID\n{FIELD}\n")
    settings = yaml.safe_load((project.folder / "config/tiny.yaml").read_text())
    settings["datasets"]["test"] = {"role": "test", "path": "data/real", "pixel_size_um": 0.08}
    settings["segmentation"] = {"source": "raw", "size": 512}
    (project.folder / "config/real.yaml").write_text(yaml.safe_dump(settings))
    plan = project.planned(configuration="config/real.yaml")
    assert "train" not in plan, "another test set must not retrain the models"
    done = project.run("results/submission.csv", configuration="config/real.yaml")
    assert done.returncode == 0, done.stdout[-4000:]
    return project


@pytest.fixture(scope="module")
def masks(real):
    row = read_submission(real.folder / "results/submission.csv").iloc[0]
    assert (row["ID"], row["ImageWidth"], row["ImageHeight"]) == (FIELD, 2048, 2048)
    parts = row["PredictionString"].split()
    assert len(parts) % 3 == 0
    assert all(0 <= int(index) < 19 for index in parts[::3])
    assert all(0 <= float(confidence) <= 1 for confidence in parts[1::3])
    return [decode_mask(text, 2048, 2048) for text in dict.fromkeys(parts[2::3])]


def test_every_whole_nucleus_has_one_cell(masks):
    blue = read_field(FIELDS, FIELD)[..., 2]
    nuclei = label(blue > threshold_otsu(blue))
    whole = [
        region
        for region in regionprops(nuclei)
        if region.area > 10_000 and min(region.bbox[:2]) > 0 and max(region.bbox[2:]) < 2048
    ]
    assert len(whole) >= 6
    for region in whole:
        inside = [mask[tuple(region.coords.T)].mean() for mask in masks]
        assert sum(share > 0.5 for share in inside) == 1, f"nucleus at {region.centroid}"


def test_cells_do_not_overlap_and_lie_on_stained_regions(masks):
    together = np.sum(masks, axis=0)
    assert together.max() == 1
    field = read_field(FIELDS, FIELD).astype(float)
    stain = field[..., 0] + field[..., 3]
    assert stain[together == 1].mean() > 2 * stain[together == 0].mean()


def test_cells_cut_by_the_border_are_marked(real):
    import pandas as pd

    cells = pd.read_parquet(real.folder / "results/cells/test.parquet")
    masks = ShardReader([real.folder / "results/masks/test/000.h5"])
    labels = masks.read(FIELD, "cells")
    rim = set(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]).tolist()) - {0}
    assert set(cells.loc[cells["touches_border"], "cell"]) == rim
