"""Whether a network knows the fields that it was trained on from others: simulated fields, real ones, real cells.

Each of the two networks is trained as in the default configuration, in a few minutes.
"""

import subprocess
import sys

import pandas as pd
import pytest
import yaml
from helpers.paths import ROOT, SHARED

from puzzlecell.config.simulation import SimulationSettings
from puzzlecell.simulate.dataset import simulate_dataset

pytestmark = [
    pytest.mark.shared,
    pytest.mark.long,
    pytest.mark.skipif(not SHARED.is_dir(), reason=f"no folder {SHARED}: the real fields are missing"),
]
COMPOSED_UM, SIMULATED_UM = 0.27, 0.64


def data_set(path, pixel_size_um, role="test"):
    return {"role": role, "path": str(path), "pixel_size_um": pixel_size_um}


@pytest.fixture
def worlds(fresh, tmp_path):
    """Project with the test sets real (40 fields), sim (other seed) and, of mosaics of its own, composed."""
    real = tmp_path / "real"
    real.mkdir()
    (real / "images").symlink_to(SHARED / "real_fields")
    pd.read_csv(SHARED / "real_fields/labels.csv")[["ID"]].to_csv(real / "labels.csv", index=False)
    simulate_dataset(tmp_path / "sim", SimulationSettings(fields=100), 7, labelled=False, threads=2)
    (tmp_path / "sim/truth.csv").unlink()  # of other classes than those of the real cells
    compose = [SHARED / "compose.py", SHARED / "real_cells", tmp_path / "composed", "400", "100"]
    subprocess.run([sys.executable, *map(str, compose)], check=True, stdout=subprocess.DEVNULL)
    (fresh.folder / "config/composed.csv").write_text((tmp_path / "composed/classes.csv").read_text())
    sets = {
        "real": data_set(real, 0.32),
        "sim": data_set(tmp_path / "sim", SIMULATED_UM),
        "composed": data_set(tmp_path / "composed/test", COMPOSED_UM),
    }
    return fresh, sets, data_set(tmp_path / "composed/train", COMPOSED_UM, "train")


def flagged(project, settings, sets):
    """Fraction of the fields of each data set that are unlike the training fields, and of the cells."""
    settings |= {"unlike_training": {"look": "this_run"}, "plausibility": {"max_implausible": 1}}
    settings["datasets"] |= sets
    (project.folder / "config/worlds.yaml").write_text(yaml.safe_dump(settings))
    targets = [f"results/unlike/{name}/000.images.parquet" for name in sets]
    done = project.run(*targets, configuration="config/worlds.yaml")
    assert done.returncode == 0, done.stdout[-6000:]
    found = {}
    for name in sets:
        paths = [
            project.folder / f"results/unlike/{name}/000{end}" for end in (".images.parquet", ".parquet")
        ]
        found[name] = [(pd.read_parquet(path)["unlike_training"] > 1).mean() for path in paths]
    return found, done.stdout


def default():
    return yaml.safe_load((ROOT / "config/config.yaml").read_text())


def test_a_network_of_simulated_fields_flags_all_real_ones(worlds):
    project, sets, _ = worlds
    found, shown = flagged(project, default(), sets)
    assert max(found["sim"]) <= 0.1
    assert found["real"][0] == found["composed"][0] == 1
    assert found["real"][1] > 0.9
    assert "real: 40 of 40 fields look unlike the fields that the model was trained on" in shown
    assert "sim: " not in shown.split("warnings, see")[1]


def test_a_network_of_real_cells_passes_other_real_cells(worlds):
    project, sets, train = worlds
    settings = default() | {
        "classes": "config/composed.csv",
        "negative": None,
        "folds": {"count": 2, "seed": 2020},
    }
    settings["datasets"] = {"train": train}
    settings["models"]["lite0"]["stages"]["stage3"]["datasets"] = ["train"]
    found, _ = flagged(project, settings, sets)
    assert max(found["composed"]) <= 0.15
    assert found["sim"][0] == 1
