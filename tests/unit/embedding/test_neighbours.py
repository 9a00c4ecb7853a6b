"""Cells that look alike, against a plain computation, and the command that shows them."""

import numpy as np
import pandas as pd
import pytest
from helpers.export_data import CLASSES, write_export_data
from PIL import Image

from puzzlecell.cli.main import main
from puzzlecell.data.embedding_file import BLOCK, embedding_writer, masks_state
from puzzlecell.data.store import ShardReader
from puzzlecell.data.tables import class_columns, read_parquet, write_parquet
from puzzlecell.embedding.neighbours import nearest_cells
from puzzlecell.embedding.sheet import TILE, cell_tile
from puzzlecell.errors import UserError
from puzzlecell.segmentation.overlay import CELL_COLOUR


def write(path, table, values, attributes=()):
    with embedding_writer(path, table, values.shape[1], dict(attributes)) as out:
        out.write(table["ID"].tolist(), table["cell"].tolist(), values)
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Two shards, one of several blocks, with equal embeddings at many places; the last cell's is 0."""
    folder, random = tmp_path_factory.mktemp("near"), np.random.default_rng(2)
    rows = BLOCK + 500
    values = random.normal(size=(rows, 5)).astype(np.float16)
    values[::97] = values[3]
    values[5] = -values[3]
    values[-1] = 0
    table = pd.DataFrame({"ID": [f"f{row // 3}" for row in range(rows)], "cell": np.arange(rows) % 3 + 1})
    parts = [slice(0, BLOCK + 100), slice(BLOCK + 100, rows)]
    paths = [write(folder / f"{n:03d}.h5", table[part], values[part]) for n, part in enumerate(parts)]
    return paths, table, values.astype(np.float64)


@pytest.mark.parametrize("same_field", [True, False])
@pytest.mark.parametrize("number", [1, 40, 10**6])
def test_nearest_are_those_of_a_plain_computation(data, number, same_field):
    paths, table, values = data
    asked = 97
    found = nearest_cells(paths, table["ID"][asked], table["cell"][asked], number, same_field=same_field)
    lengths = np.linalg.norm(values, axis=1)
    cosine = values @ values[asked] / np.where(lengths == 0, 1, lengths) / lengths[asked]
    left_out = table["ID"] == table["ID"][asked] if not same_field else np.arange(len(table)) == asked
    order = np.lexsort((np.arange(len(table)), np.round(1 - cosine, 9)))
    expected = order[~np.asarray(left_out)[order]][:number]
    assert len(found) == len(expected)
    np.testing.assert_allclose(found["distance"], (1 - cosine)[expected], atol=1e-9)
    # Equal embeddings come in the order of the data set.
    equal = int((np.abs(found["distance"]) < 1e-9).sum())
    first = table.iloc[expected[:equal]]
    assert found["ID"][:equal].tolist() == first["ID"].tolist()
    assert found["cell"][:equal].tolist() == first["cell"].tolist()
    assert sorted(zip(found["ID"], found["cell"], strict=True)) == sorted(
        table.iloc[expected].itertuples(index=False, name=None)
    )


@pytest.mark.parametrize(
    ("field_id", "cell", "expected"),
    [
        ("f2", 4, "field f2 has no cell 4; its cells are 1, 2, 3"),
        ("g", 1, "no embeddings of field g;"),
        ("f507", 3, "cell 3 of field f507: its embedding is all zeros"),
    ],
)
def test_cells_that_cannot_be_asked_for(data, field_id, cell, expected):
    with pytest.raises(UserError, match=expected):
        nearest_cells(data[0], field_id, cell, 5)


def test_a_tile_shows_the_cell_with_its_outline():
    picture = np.zeros((40, 40, 3), np.uint8)
    labels = np.zeros((20, 20), np.uint16)
    labels[5:15, 2:12], labels[0:3, 0:3] = 3, 1
    picture[10:30, 4:24] = 90
    tile = cell_tile(picture, labels, 3)
    assert tile.shape == (TILE, TILE, 3)
    # The square is 1.3 times the box, centred on it.
    low, high = round(TILE * 0.15 / 1.3), round(TILE * 1.15 / 1.3)
    edge = (tile == CELL_COLOUR).all(axis=2)
    rows, columns = np.flatnonzero(edge.any(axis=1)), np.flatnonzero(edge.any(axis=0))
    assert np.abs([rows[0] - low, columns[0] - low, rows[-1] - high, columns[-1] - high]).max() <= 1
    inside = tile[low + 5 : high - 5, low + 5 : high - 5]
    np.testing.assert_array_equal(inside, 90)


@pytest.fixture
def run_folder(tmp_path, monkeypatch):
    """The results of a made-up run, with embeddings of one member."""
    made = write_export_data(tmp_path / "made")
    results = tmp_path / "results"
    for kind, paths in (("store", made.stores), ("masks", made.masks)):
        (results / kind / "test").mkdir(parents=True)
        for number, path in enumerate(paths):
            path.rename(results / kind / "test" / f"{number:03d}.h5")
    (results / "cells").mkdir()
    made.table.attrs["classes"] = CLASSES
    write_parquet(results / "cells/test.parquet", made.table)
    random = np.random.default_rng(0)
    for number, path in enumerate(made.cell_tables):
        cells = read_parquet(path, ["ID", "cell"])
        masks = masks_state(ShardReader([results / f"masks/test/{number:03d}.h5"]))
        values = random.normal(size=(len(cells), 4))
        write(results / f"embeddings/test/m.s/{number:03d}.h5", cells, values, {"masks": masks})
    monkeypatch.chdir(tmp_path)
    return tmp_path, made.table


def test_the_command_writes_a_sheet_and_a_table(run_folder, capsys):
    folder, table = run_folder
    assert main(["look-alikes", "test", "third", "2", "--number", "4", "--other-fields"]) == 0
    assert "look-alikes_test_third_2.png" in capsys.readouterr().out
    found = pd.read_csv(folder / "look-alikes_test_third_2.csv", keep_default_na=False)
    assert found.columns.tolist() == ["rank", "ID", "cell", "distance", "class", "probability"]
    assert found["rank"].tolist() == [0, 1, 2, 3, 4]
    assert found.loc[0, ["ID", "cell", "distance"]].tolist() == ["third", 2, 0]
    assert "third" not in found["ID"][1:].tolist()
    assert found["distance"].is_monotonic_increasing
    values = table.set_index(["ID", "cell"])[class_columns(table)]
    for _, row in found.iterrows():
        probabilities = values.loc[(row["ID"], row["cell"])].to_numpy()
        assert row["class"] == (CLASSES[probabilities.argmax()] if probabilities.any() else "")
    with Image.open(folder / "look-alikes_test_third_2.png") as sheet:
        assert sheet.size[0] > 1000


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["test", "third", "9"], "field third has no cell 9; its cells are 1, 2, 3, 4"),
        (["other", "third", "1"], "results: there is no data set other; there are test"),
        (
            ["test", "third", "1", "--member", "m.t"],
            "--member: there are no embeddings of m.t; there are those of m.s",
        ),
        (["test", "third", "1", "--number", "0"], "--number: found 0; expected 1 to 500"),
        (
            ["test", "third", "1", "--output", "a.jpg"],
            "--output: found a.jpg; expected a name that ends in .png",
        ),
        (
            ["test", "third", "1", "--results", "none"],
            "none: there is no data set test; there are none at all",
        ),
    ],
)
def test_mistakes_are_named(run_folder, capsys, arguments, expected):
    assert main(["look-alikes", *arguments]) == 1
    assert f"puzzlecell: {expected}" in capsys.readouterr().err


def test_missing_embeddings_are_named_with_what_makes_them(run_folder, capsys):
    folder, _ = run_folder
    (folder / "results/embeddings/test/m.s/001.h5").unlink()
    assert main(["look-alikes", "test", "third", "1"]) == 1
    assert "m.s/001.h5: there is no such file; make them with `snakemake" in capsys.readouterr().err
    (folder / "results/embeddings/test/m.s/000.h5").rename(folder / "results/embeddings/test/000.h5")
    assert main(["look-alikes", "test", "third", "1"]) == 1
    assert "embeddings/test: there are no embeddings; make them" in capsys.readouterr().err
