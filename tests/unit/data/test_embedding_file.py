"""Files of embeddings: what is written in any order comes back in that of the table of cells, or not at all."""

import h5py
import numpy as np
import pandas as pd
import pytest

from puzzlecell.cli.main import main
from puzzlecell.data.embedding_file import BLOCK, EmbeddingReader, embedding_writer
from puzzlecell.errors import DamagedFileError, UserError

ROWS, WIDTH = BLOCK + 300, 6


def cells(rows=ROWS):
    ids = [f"ä{row // 7}" for row in range(rows)]
    return pd.DataFrame({"ID": pd.array(ids, dtype=object), "cell": np.arange(rows, dtype=np.int32) % 7 + 1})


def write(path, table, values, order=None, batch=11):
    order = np.arange(len(table)) if order is None else order
    with embedding_writer(path, table, values.shape[1], {"model": "m", "of": "crop"}) as out:
        for start in range(0, len(order), batch):
            rows = order[start : start + batch]
            out.write(table["ID"].to_numpy()[rows], table["cell"].to_numpy()[rows], values[rows])
    return path


@pytest.fixture(scope="module")
def values():
    return np.random.default_rng(0).normal(size=(ROWS, WIDTH)).astype(np.float32)


@pytest.fixture
def file(tmp_path, values):
    order = np.random.default_rng(1).permutation(ROWS)
    return write(tmp_path / "results/embeddings/test/m.s/000.h5", cells(), values, order)


def test_any_order_gives_the_order_of_the_table(file, values):
    reader, table = EmbeddingReader(file), cells()
    assert (len(reader), reader.width) == (ROWS, WIDTH)
    assert reader.ids.tolist() == table["ID"].tolist()
    assert reader.cells.tolist() == table["cell"].tolist()
    kept = values.astype(np.float16)
    parts = list(reader.blocks())
    assert [rows.stop - rows.start for rows, _ in parts] == [BLOCK, 300]
    np.testing.assert_array_equal(np.concatenate([part for _, part in parts]), kept)
    wanted = np.array([0, 5, BLOCK - 1, BLOCK, ROWS - 1])
    np.testing.assert_array_equal(reader.rows(wanted), kept[wanted])
    with h5py.File(file) as opened:
        assert (opened["embedding"].dtype, opened.attrs["of"]) == (np.float16, b"crop")


def test_a_shard_without_cells(tmp_path):
    reader = EmbeddingReader(write(tmp_path / "a.h5", cells(0), np.empty((0, 3))))
    assert (len(reader), list(reader.blocks()), reader.width) == (0, [], 3)


@pytest.mark.parametrize(
    ("rows", "change", "expected"),
    [
        ([0, 1], {}, "1 cells of the table of cells were not found, such as cell 3 of field ä0"),
        ([0, 1, 2, 2], {}, "cell 3 of field ä0 is not in the table of cells, or was written twice"),
        ([0, 1, 3], {}, "cell 4 of field ä0 is not in the table"),
        ([0, 1, 2], {(1, 0): np.nan}, "cell 2 of field ä0: its embedding has values that are not finite"),
        ([0, 1, 2], {(2, 1): 7e4}, "cell 3 of field ä0: .*above 65504"),
    ],
)
def test_wrong_rows_leave_no_file(tmp_path, rows, change, expected):
    table, values = cells(4), np.zeros((4, 2))
    for place, value in change.items():
        values[place] = value
    path = tmp_path / "a.h5"
    with (
        pytest.raises((ValueError, UserError), match=expected),
        embedding_writer(path, table.iloc[:3], 2, {}) as out,
    ):
        for row in rows:
            out.write([table["ID"][row]], [table["cell"][row]], values[row : row + 1])
    assert not list(tmp_path.iterdir())


def flip(path, name, place):
    with h5py.File(path, "r+") as file:
        array = file[name][()]
        array[place] += 1
        file[name][...] = array


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda path: flip(path, "embedding", (BLOCK, 0)), f"rows {BLOCK} to {ROWS} do not match"),
        (lambda path: flip(path, "cell", 3), "its checksum does not match"),
        (lambda path: path.write_bytes(path.read_bytes()[:-9]), "cannot be read as HDF5"),
        (lambda path: path.rename(path.with_name("001.h5")), "a copy of results/embeddings/test/m.s/000.h5"),
    ],
)
def test_damage_is_noticed_by_readers_and_by_verify(file, capsys, damage, expected):
    results = str(file.parents[3])
    assert main(["verify", results]) == 0
    damage(file)
    (changed,) = file.parent.iterdir()
    with pytest.raises(DamagedFileError, match=expected):
        list(EmbeddingReader(changed).blocks())
    assert main(["verify", results]) == 1
    assert expected in capsys.readouterr().out


def test_other_files_are_refused(tmp_path):
    with pytest.raises(UserError, match="there is no such file"):
        EmbeddingReader(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["id"] = [1]
    with pytest.raises(DamagedFileError, match="cannot be read as HDF5"):
        EmbeddingReader(tmp_path / "a.h5")
