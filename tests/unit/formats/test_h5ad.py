"""The AnnData file, read with h5py; tests/readers reads it with anndata and scanpy."""

import json

import h5py
import numpy as np
import pandas as pd
import pytest
from helpers.export_data import CLASSES, IDS, write_embeddings, write_export_data

from puzzlecell.data.pixel_sizes import PixelSizes
from puzzlecell.data.tables import class_columns, read_parquet, write_parquet
from puzzlecell.errors import DamagedFileError, UserError
from puzzlecell.formats.h5ad import RunFacts, export_h5ad
from puzzlecell.runtime.checksums import check_text


def write(data, path, **changes):
    given = {
        "stores": data.stores,
        "cell_tables": data.cell_tables,
        "members": data.members,
        "embeddings": {},
        "pixel_sizes": PixelSizes(None, {"third": 0.2}),
        "classes": CLASSES,
        "facts": RunFacts({"step1.tta": "flips"}, {"python": "3"}),
        "progress": lambda done, total, text="": None,
    }
    export_h5ad(path, data.answer, **{**given, **changes})
    return path


def column(group):
    """A column of a table: numbers, or the texts of a categorical."""
    if isinstance(group, h5py.Dataset):
        return group[()].tolist()
    names = [text.decode() for text in group["categories"][()]]
    return [None if code < 0 else names[code] for code in group["codes"][()]]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_export_data(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def file(data, tmp_path_factory):
    path = write(data, tmp_path_factory.mktemp("results") / "results/export/test.h5ad")
    with h5py.File(path) as opened:
        yield opened


def test_values_are_those_of_the_tables(data, file):
    table = data.table
    np.testing.assert_array_equal(file["X"], table[class_columns(table)].to_numpy())
    np.testing.assert_array_equal(file["layers/calibrated"], table[["c00", "c01", "c02", "c03"]])
    np.testing.assert_array_equal(file["obsm/spatial"], table[["centroid_x", "centroid_y"]])
    for step in (1, 2):
        tables = [pd.concat(map(read_parquet, paths)) for number, paths in data.members if number == step]
        ordered = [
            part.set_index(["ID", "cell"]).loc[list(zip(table["ID"], table["cell"], strict=True))]
            for part in tables
        ]
        np.testing.assert_allclose(file[f"obsm/step{step}"], np.mean(ordered, axis=0), rtol=1e-6)
    assert [text.decode() for text in file["var/_index"][()]] == CLASSES


def test_embeddings_of_members(data, tmp_path):
    paths, values = write_embeddings(data, tmp_path)
    written = write(data, tmp_path / "test.h5ad", embeddings={"a.s": paths, "b.cells": paths})
    with h5py.File(written) as file:
        assert sorted(file["obsm"]) == ["X_a.s", "X_b.cells", "spatial", "step1", "step2"]
        assert file["obsm/X_a.s"].dtype == np.float32
        np.testing.assert_array_equal(file["obsm/X_a.s"], values)
        np.testing.assert_array_equal(file["obsm/X_b.cells"], values)
    with pytest.raises(UserError, match=r"embeddings1.h5: embeddings of other cells; delete it"):
        write(data, tmp_path / "test.h5ad", embeddings={"a.s": paths[::-1]})


def test_observations_are_the_cells(data, file):
    table, obs = data.table, file["obs"]
    assert [text.decode() for text in obs["_index"][()]] == [
        f"{field_id}:{cell}" for field_id, cell in zip(table["ID"], table["cell"], strict=True)
    ]
    for name in ("ID", "cell", "calls", "area_px", "touches_border", "border_quality", "well"):
        assert column(obs[name]) == table[name].tolist(), name
    np.testing.assert_array_equal(obs["unlike_training"], table["unlike_training"])
    np.testing.assert_allclose(obs["quality"], table["border_quality"] * table["outlier_quality"])
    assert column(obs["metadata quality"]) == ["good"] * len(table), "the name was taken"
    top = table[class_columns(table)].to_numpy().argmax(axis=1)
    expected = [CLASSES[index] for index in top]
    expected[1] = None
    assert column(obs["most_probable"]) == expected
    assert column(obs["pixel_size_um"]) == [0.2 if name == "third" else 0.1 for name in table["ID"]]
    assert set(obs.attrs["column-order"]) == set(obs) - {"_index"}


def test_it_says_what_run_it_is_of(file):
    uns = file["uns"]
    assert json.loads(uns["settings"][()]) == {"step1.tta": "flips"}
    assert uns["versions/python"][()].decode() == "3"
    assert uns["dataset"][()].decode() == "test"
    assert np.isnan(uns["pixel_size_um"][()]), "fields differ"
    assert [text.decode() for text in uns["fields/_index"][()]] == [name for ids in IDS for name in ids]
    assert uns["fields/height"][()].tolist() == [64] * 4


def test_every_element_says_what_it_is(file):
    missing = []

    def look(name, element):
        if not {"encoding-type", "encoding-version"} <= set(element.attrs):
            missing.append(name)

    file.visititems(look)
    assert missing == []
    assert (file.attrs["encoding-type"], file.attrs["encoding-version"]) == ("anndata", "0.1.0")


def test_files_repeat_to_the_byte_and_have_a_checksum(data, tmp_path):
    first = write(data, tmp_path / "a/test.h5ad")
    assert first.read_bytes() == write(data, tmp_path / "b/test.h5ad").read_bytes()
    timed = []

    def look(name, element):
        # Both files may have been written in the same second.
        if h5py.h5g.get_objinfo(element.id).mtime:
            timed.append(name)

    with h5py.File(first) as file:
        file.visititems(look)
    assert timed == []
    check_text(first)
    with first.open("r+b") as file:
        file.seek(3000)
        file.write(b"x")
    with pytest.raises(DamagedFileError, match="its checksum does not match"):
        check_text(first)


def test_without_calibration_nothing_is_made_up(tmp_path):
    data = write_export_data(tmp_path / "run", calibrated=False)
    with h5py.File(write(data, tmp_path / "plain.h5ad")) as file:
        assert list(file["layers"]) == []
        assert "calls" not in file["obs"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.iloc[:-1], "1 more cells are expected"),
        (lambda table: table.iloc[::-1].reset_index(drop=True), "other cells than in"),
        (lambda table: pd.concat([table, table.iloc[:1]], ignore_index=True), "more cells than in the masks"),
        (lambda table: table.drop(columns="p03"), "probabilities of 3 classes, but the class table has 4"),
    ],
)
def test_tables_of_other_cells_or_classes_are_refused(tmp_path, change, message):
    data = write_export_data(tmp_path / "run")
    write_parquet(data.answer, change(data.table))
    with pytest.raises(UserError, match=message):
        write(data, tmp_path / "test.h5ad")
    assert not (tmp_path / "test.h5ad").exists()


def test_a_changed_table_of_cells_is_noticed(tmp_path):
    data = write_export_data(tmp_path / "run")
    content = bytearray(data.answer.read_bytes())
    content[200] ^= 1
    data.answer.write_bytes(content)
    with pytest.raises(DamagedFileError, match="its checksum does not match"):
        write(data, tmp_path / "test.h5ad")
