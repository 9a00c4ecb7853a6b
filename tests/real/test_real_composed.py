"""Fields composed of real single cells, from the folder that the fourth world is made of."""

import subprocess
import sys

import cv2
import numpy as np
import pandas as pd
import pytest
import yaml
from helpers.paths import ROOT, SHARED

from puzzlecell.config.class_table import read_classes
from puzzlecell.config.simulation import SimulationSettings
from puzzlecell.simulate.cell_folder import read_cell_folder, split_cells
from puzzlecell.simulate.dataset import simulate_dataset

MOSAICS = SHARED / "real_cells"
pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not MOSAICS.is_dir(), reason=f"no folder {MOSAICS}: the real cells are missing"),
]


def test_real_cells_make_fields_and_no_mosaic_is_on_both_sides(tmp_path):
    script = ROOT / "benchmarks/studies/real_cells.py"
    subprocess.run(
        [sys.executable, script, SHARED, tmp_path / "cells"], check=True, stdout=subprocess.DEVNULL
    )
    classes = read_classes(tmp_path / "cells/classes.csv")
    cells = read_cell_folder(tmp_path / "cells", classes)
    assert len(cells) > 380
    sides = split_cells(cells, classes, tmp_path)
    mosaics = [{cell.group for cell in side} for side in sides]
    assert not mosaics[0] & mosaics[1]
    assert [len(side) for side in mosaics] == [23, 21]
    assert all({cell.classes for cell in side} == {(number,) for number in range(5)} for side in sides)

    world = yaml.safe_load((ROOT / "config/worlds/composed.yaml").read_text())["datasets"]["test"]["simulate"]
    settings = SimulationSettings(**{**world, "cells_from": str(tmp_path / "cells"), "fields": 4})
    simulate_dataset(tmp_path / "test", settings, 1, labelled=True, held_out=True, classes=classes)
    for name in pd.read_csv(tmp_path / "test/labels.csv")["ID"]:
        body = cv2.imread(str(tmp_path / f"test/cells/{name}_cells.png"), cv2.IMREAD_UNCHANGED)
        blue, red = (
            cv2.imread(str(tmp_path / f"test/images/{name}_{channel}.png"), 0) for channel in ("blue", "red")
        )
        assert 6 <= body.max() <= 12
        assert 0.1 < (body > 0).mean() < 0.7
        # Cells have a nucleus and microtubules; between them there is nothing but background.
        for number in range(1, body.max() + 1):
            assert np.percentile(blue[body == number], 95) > 3 * blue[body == 0].mean()
        assert red[body > 0].mean() > 5 * red[body == 0].mean()
