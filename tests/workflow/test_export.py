"""Files for other tools from a finished run, and what a change makes again."""

import json

import h5py
import numpy as np
import pandas as pd
import zarr
from helpers.project import Project

from puzzlecell.config.class_table import read_classes
from puzzlecell.formats.file_names import safe_name

NAMES = ["h5ad", "csv", "geojson", "imagej", "ome_zarr"]


def chosen_field(project: Project) -> str:
    return pd.read_parquet(project.folder / "results/cells/test.parquet")["ID"].iloc[0]


def test_every_format(changed):
    field_id = chosen_field(changed)
    # The default formats are there after a run without a target.
    assert changed.planned("export") == {}
    asked = changed.configure(
        "asked.yaml",
        lambda settings: settings.update(
            export={"formats": NAMES, "ome_zarr": {"fields": [f"test/{field_id}"], "version": 0.5}}
        ),
    )
    expected = {"export_fields": 4, "export_ome_zarr": 1, "export": 1}
    assert changed.planned("export", configuration=asked) == expected
    assert changed.planned(configuration=asked) == {}, "what is exported decides no result"
    wrong = changed.configure(
        "wrong.yaml",
        lambda settings: settings.update(
            export={"formats": ["ome_zarr"], "ome_zarr": {"fields": ["test/none"]}}
        ),
    )
    text = "export.ome_zarr.fields: there is no field none in the data set test"
    assert text in changed.run("-n", "export", configuration=wrong).stdout
    done = changed.run("export", configuration=asked)
    assert done.returncode == 0, done.stdout[-4000:]
    assert changed.planned("export", configuration=asked) == {}

    exported = changed.folder / "results/export"
    cells = pd.read_parquet(changed.folder / "results/cells/test.parquet")
    classes = read_classes(changed.folder / "config/classes.csv")
    assert cells.attrs["classes"] == classes
    probabilities = [f"p{index:02d}" for index in range(len(classes))]
    with h5py.File(exported / "test.h5ad") as file:
        np.testing.assert_array_equal(file["X"], cells[probabilities])
        for step, stage in ((1, "stage2"), (2, "stage3")):
            tables = sorted(
                (changed.folder / f"results/step{step}/test/tiny.{stage}").glob("[0-9]*[0-9].parquet")
            )
            member = pd.concat(map(pd.read_parquet, tables), ignore_index=True)
            np.testing.assert_allclose(file[f"obsm/step{step}"], member[probabilities], rtol=1e-6)
        settings = json.loads(file["uns/settings"][()])
        assert settings["models.tiny.stages.stage2.training.loss.gamma"] == 0.25
        assert set(np.array(file["obs/pixel_size_um"])) == {2.56}
    table = pd.read_csv(exported / "test.csv.gz")
    np.testing.assert_allclose(table[classes], cells[probabilities], rtol=1e-6)
    name = safe_name(field_id)
    own = cells[cells["ID"] == field_id]
    features = json.loads((exported / f"test/geojson/{name}.geojson").read_text())["features"]
    assert [feature["properties"]["metadata"]["cell"] for feature in features] == own["cell"].astype(
        str
    ).tolist()
    assert len(list((exported / "test/imagej").glob("*.zip"))) == 6
    group = zarr.open_group(exported / f"test/ome_zarr/{name}.ome.zarr", mode="r")
    assert group.attrs["puzzlecell"]["image"] == "raw"
    areas = np.bincount(group["labels/cells/0"][:].ravel())[own["cell"]]
    np.testing.assert_array_equal(areas, own["area_px"])

    older = changed.configure(
        "older.yaml",
        lambda settings: settings.update(
            export={"formats": NAMES, "ome_zarr": {"fields": [f"test/{field_id}"], "version": 0.4}}
        ),
    )
    assert changed.planned("export", configuration=older) == {"export_ome_zarr": 1, "export": 1}


def test_a_change_of_the_ensemble_makes_the_files_again(changed):
    changed.edit("config/tiny.yaml", "step: 2, weight: 1", "step: 2, weight: 3")
    assert changed.planned("export") == {"ensemble": 2, "export_h5ad": 2, "export_csv": 2, "export": 1}
