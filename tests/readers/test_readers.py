"""Files for other tools, read back by the real packages, which need other versions than this project.

They are in an environment of their own (`make readers`, envs/readers.txt); PUZZLECELL_READERS names another one.
"""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from helpers.export_data import CLASSES, HEIGHT, WIDTH, write_embeddings, write_export_data
from helpers.paths import ROOT

from puzzlecell.config.export import OmeZarrSettings
from puzzlecell.data.label_images import resize_labels
from puzzlecell.data.pixel_sizes import PixelSizes
from puzzlecell.data.tables import class_columns
from puzzlecell.formats.class_colours import class_colours
from puzzlecell.formats.export_ome_zarr import FieldFiles, export_ome_zarr
from puzzlecell.formats.field_files import FileKind, export_fields
from puzzlecell.formats.file_names import safe_name
from puzzlecell.formats.geojson import GeoJsonWriter
from puzzlecell.formats.h5ad import RunFacts, export_h5ad
from puzzlecell.formats.imagej import ImageJWriter

pytestmark = pytest.mark.readers


def silent(done, total, text=""):
    pass


def export_all(data, folder):
    """Write all formats into a folder."""
    export_h5ad(
        folder / "test.h5ad",
        data.answer,
        stores=data.stores,
        cell_tables=data.cell_tables,
        members=data.members,
        embeddings={"lite0.pupil": write_embeddings(data, folder)[0]},
        pixel_sizes=PixelSizes(),
        classes=CLASSES,
        facts=RunFacts({"step1.tta": "flips"}, {"python": "3"}),
        progress=silent,
    )
    colours = class_colours(CLASSES, "Negative")
    kinds = {
        "geojson": FileKind(GeoJsonWriter("test", CLASSES, colours), ".geojson"),
        "imagej": FileKind(ImageJWriter(CLASSES, colours), ".zip"),
    }
    for form, kind in kinds.items():
        export_fields(
            folder / form,
            data.answer,
            masks=data.masks,
            cell_tables=data.cell_tables,
            classes=len(CLASSES),
            kind=kind,
            threads=1,
            progress=silent,
        )
    for version in ("0.4", "0.5"):
        export_ome_zarr(
            folder / f"ome_zarr/third-{version}.ome.zarr",
            "third",
            FieldFiles(data.stores[1], data.masks[1], data.answer, folder / "no raw images"),
            pixel_sizes=PixelSizes(),
            max_megapixels=None,
            classes=CLASSES,
            negative="Negative",
            settings=OmeZarrSettings(version=version),
        )


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_export_data(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def found(data, tmp_path_factory):
    python = Path(os.environ.get("PUZZLECELL_READERS", ROOT / ".venv-readers"), "bin/python")
    assert python.exists(), f"{python} is missing: run `make readers`"
    folder = tmp_path_factory.mktemp("export")
    export_all(data, folder)
    # The packages of this project are not to be seen.
    environment = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [python, Path(__file__).with_name("read_exports.py"), folder],
        env={**environment, "NUMBA_CACHE_DIR": str(folder)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_anndata_and_scanpy(data, found, tmp_path):
    read, table = found["anndata"], data.table
    values = table[class_columns(table)].to_numpy()
    np.testing.assert_array_equal(np.float32(read["X"]), values)
    np.testing.assert_array_equal(np.float32(found["backed"]), values[2:5])
    np.testing.assert_array_equal(np.float32(read["layers"]["calibrated"]), values / 2)
    assert read["var"] == CLASSES
    assert read["names"] == [f"{name}:{cell}" for name, cell in zip(table["ID"], table["cell"], strict=True)]
    for name in ("ID", "cell", "calls", "well", "area_px", "touches_border"):
        assert read["obs"][name] == table[name].astype(str).tolist(), name
    assert set(read["categorical"]) == {"ID", "calls", "most_probable", "well", "metadata quality"}
    cells, classes = values.shape
    assert read["obsm"] == {
        "X_lite0.pupil": [cells, 3],
        "spatial": [cells, 2],
        "step1": [cells, classes],
        "step2": [cells, classes],
    }
    np.testing.assert_array_equal(read["embeddings"], write_embeddings(data, tmp_path)[1])
    assert read["settings"] == {"step1.tta": "flips"}
    assert read["versions"] == {"python": "3"}
    assert read["fields"]["empty"] == 0.1
    assert found["components"] == [cells, 2]


def test_geojson_is_valid_and_has_the_areas_of_the_masks(data, found):
    assert set(found["geojson"]) == {safe_name(field_id) for field_id in data.labels}
    kinds = set()
    for field_id, labels in data.labels.items():
        features = found["geojson"][safe_name(field_id)]
        cells, nuclei = (resize_labels(image, HEIGHT, WIDTH) for image in (labels, data.nuclei[field_id]))
        numbers = range(1, cells.max() + 1)
        assert [feature["area"] for feature in features] == [(cells == number).sum() for number in numbers]
        assert [feature["nucleus_area"] for feature in features] == [
            (nuclei == number).sum() for number in numbers
        ]
        assert all(feature["valid"] and feature["nucleus_inside"] for feature in features)
        kinds |= {feature["kind"] for feature in features}
    assert kinds == {"Polygon", "MultiPolygon"}


def test_regions_of_imagej_have_the_areas_of_the_masks(data, found):
    for field_id, labels in data.labels.items():
        cells = resize_labels(labels, HEIGHT, WIDTH)
        read = found["imagej"][safe_name(field_id)]
        assert {name: area for name, (area, _) in read.items() if name.endswith("cell")} == {
            f"{number:05d}_cell": (cells == number).sum() for number in range(1, cells.max() + 1)
        }
    read = found["imagej"]["third"]
    # An outline with two holes, two pieces, and two whole cells.
    assert [read[f"0000{number}_cell"][1] for number in (1, 2, 3, 4)] == [3, 2, 1, 1]


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_ome_zarr(data, found, version):
    name = f"third-{version}.ome.zarr"
    read = found["ome_zarr"][name]
    assert read["version"] == version
    image, cells, nuclei = read[name], read["cells"], read["nuclei"]
    assert image["sum"] == data.images["third"].sum(dtype=np.int64)
    assert (image["shape"], cells["shape"]) == ([4, 32, 32], [32, 32])
    np.testing.assert_allclose(image["scale"], [1, 0.2, 0.15])
    np.testing.assert_allclose(cells["scale"], [0.2, 0.15])
    assert image["channels"] == ["microtubules", "protein", "nuclei", "endoplasmic reticulum"]
    assert cells["sum"] == data.labels["third"].sum(dtype=np.int64)
    assert nuclei["sum"] == data.nuclei["third"].sum(dtype=np.int64)
    assert set(cells["properties"]) == {"1", "2", "3", "4"}
    rows = data.table[data.table["ID"] == "third"].set_index("cell")
    top = CLASSES[int(np.argmax(rows.loc[4, class_columns(rows)]))]
    assert cells["properties"]["4"]["class"] == top
    assert set(nuclei["properties"]) == {"4"}
