"""`puzzlecell verify` never asks for the deletion of files that are the user's own."""

import numpy as np
import pandas as pd
import pytest

from puzzlecell.cli.main import main
from puzzlecell.data.store import write_shard
from puzzlecell.data.tables import write_csv, write_parquet
from puzzlecell.runtime.checksums import written_with_checksum

TABLE = pd.DataFrame({"ID": ["a"], "p00": [0.5]})


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_shard("results/store/test/000.h5", ["a"], {"images": np.zeros((1, 8, 8, 4), np.uint8)}, {})
    write_parquet("results/cells/test.parquet", TABLE)
    write_csv("results/folds/folds.csv", TABLE)
    with written_with_checksum("results/export/test.h5ad", lines=False) as path:
        path.write_bytes(b"for other tools")
    (tmp_path / "results/export/test.zarr").write_bytes(b"without a checksum")
    return tmp_path / "results"


def verified(capsys, *arguments):
    code = main(["verify", *arguments])
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def test_intact_results(results, capsys):
    code, out, _ = verified(capsys)
    assert (code, out.splitlines()[-1]) == (0, "all are intact")
    assert "of other kinds, which have no checksum: results/export/test.zarr\n" in out


def as_folder(path):
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("name", "damage", "found"),
    [
        (
            "store/test/000.h5",
            lambda path: path.write_bytes(path.read_bytes()[:-1]),
            "cannot be read as HDF5",
        ),
        ("cells/test.parquet", as_folder, "is a folder, not a file"),
        ("folds/folds.csv", lambda path: path.unlink(), "there is no folds.csv beside it"),
        ("folds/folds.csv", lambda path: path.write_text("ID,p00\n"), "1 lines; 2 were written"),
        (
            "export/test.h5ad",
            lambda path: path.write_bytes(b"for other fools"),
            "test.h5ad: its checksum does not match",
        ),
    ],
)
def test_damage_is_listed_with_what_to_delete(results, capsys, name, damage, found):
    damage(results / name)
    code, out, err = verified(capsys, "--cores", "1")
    assert code == 1
    assert found in out
    assert out.splitlines()[-2].startswith("rm -r results/")
    assert "damaged files: 1 of" in err


def test_a_table_that_lost_its_checksum_is_listed_but_not_for_deletion(results, capsys):
    (results / "folds/folds.csv.checksum").unlink()
    code, out, _ = verified(capsys)
    assert code == 1
    assert "damaged: results/folds/folds.csv: there is no folds.csv.checksum beside it" in out
    assert "may be your own" in out
    assert "rm -r" not in out


def test_tables_of_the_user_are_not_to_be_deleted(results, tmp_path, capsys):
    (tmp_path / "data/mine").mkdir(parents=True)
    (tmp_path / "data/mine/labels.csv").write_text("ID,Label\na,0\n")
    code, out, err = verified(capsys, "data")
    assert code == 1
    assert "rm" not in out
    assert "data: no file with a checksum in this folder; expected one such as results/" in err


@pytest.mark.parametrize("folder", ["absent", "empty"])
def test_a_folder_without_results_is_an_error(tmp_path, monkeypatch, capsys, folder):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    code, _, err = verified(capsys, folder)
    assert code == 1
    assert err.startswith(f"puzzlecell: {folder}: ")
