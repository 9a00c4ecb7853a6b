"""A data set that is downloaded, and its way to the folds: hints, images, labels, equal images."""

import cv2
import numpy as np
import pandas as pd
import pytest
from helpers.file_server import FileServer

from puzzlecell.data.raw_files import CHANNELS


@pytest.fixture
def server():
    rng = np.random.default_rng(0)
    files = {
        f"/1/9_A{n}_1_{channel}.png": cv2.imencode(".png", rng.integers(0, 255, (64, 64), np.uint8))[
            1
        ].tobytes()
        for n in range(6)
        for channel in CHANNELS
    }
    files |= {path.replace("_A0_", "_A5_"): content for path, content in files.items() if "_A0_" in path}
    rows = [f"{{url}}/1/9_A{n}_1,{'Cytosol' if n else 'Peroxisomes'},HPA{n}" for n in range(6)]
    server = FileServer(files)
    table = "\n".join(["Image,Label,antibody", *rows, ""]).replace("{url}", server.url)
    server.files["/fields.csv"] = table.encode()
    yield server
    server.close()


def test_from_the_server_to_the_folds(fresh, server):
    def use(settings):
        given = {"fields": f"{server.url}/fields.csv", "url": "{base}_{channel}.png", "wait_s": 0}
        settings["datasets"]["additional"] = {"role": "additional", "pixel_size_um": 2.56, "download": given}

    configuration = fresh.configure("atlas.yaml", use)
    done = fresh.run("folds", configuration=configuration)
    assert done.returncode != 0
    assert "data set additional: its fields can be downloaded: run `snakemake download` first" in done.stdout
    server.faults["/1/9_A3_1_red.png"] = ["drop", 500]
    done = fresh.run("download", configuration=configuration)
    assert done.returncode == 0, done.stdout
    assert fresh.planned("download", configuration=configuration) == {}
    folder = fresh.folder / "data/additional"
    assert len(list((folder / "images").iterdir())) == 24
    assert (folder / "ATTRIBUTION.txt").exists()

    done = fresh.run("folds", configuration=configuration)
    assert done.returncode == 0, done.stdout
    folds = pd.read_csv(fresh.folder / "results/folds/folds.csv").set_index("ID")["fold"]
    assert folds["9_A0_1"] == folds["9_A5_1"]
    report = pd.read_csv(fresh.folder / "results/folds/report.csv").set_index(["dataset", "class"])
    assert report.loc[("additional", "all"), "fields"] == 6
    assert report.loc[("additional", "Cytosol"), "fields"] == 5
    warnings = pd.read_csv(fresh.folder / "results/warnings.csv", keep_default_na=False)
    found = warnings[warnings["dataset"] == "additional"].set_index("ID")["what"]
    assert "fields with the same images as an earlier one: 1 (9_A5_1 = 9_A0_1)" in found.loc[[""]].tolist()[0]
    assert found["9_A5_1"].startswith("same images as 9_A0_1, but labelled Cytosol; there Vesicles")
