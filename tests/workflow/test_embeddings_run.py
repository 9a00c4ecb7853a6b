"""Embeddings of a finished run, and a table from elsewhere as a member of the ensemble."""

from importlib.util import find_spec

import h5py
import numpy as np
import pandas as pd

from puzzlecell.data.embedding_file import EmbeddingReader

MADE = {"embed_cells": 6, "embedding_picture": 4, "embeddings": 1}
"""Two members; the data sets test, of two shards, and holdout."""


def test_embeddings_on_request(changed):
    results = changed.folder / "results"
    assert changed.planned("embeddings") == MADE
    umap = changed.configure(
        "umap.yaml",
        lambda settings: settings.update(embeddings={"pictures": ["umap"], "members": ["tiny.stage3"]}),
    )
    dry = changed.run("-n", "embeddings", configuration=umap).stdout
    lacking = "embeddings.pictures: umap: the package umap-learn is not installed"
    assert (lacking in dry) == (find_spec("umap") is None)
    done = changed.run("embeddings", "export")
    assert done.returncode == 0, done.stdout[-4000:]
    assert changed.planned("embeddings") == {}
    assert changed.planned("export") == {}

    cells = pd.read_parquet(results / "cells/test.parquet")
    with h5py.File(results / "export/test.h5ad") as file:
        assert {"X_tiny.stage2", "X_tiny.stage3"} < set(file["obsm"])
        for stage in ("stage2", "stage3"):
            readers = [
                EmbeddingReader(path)
                for path in sorted((results / f"embeddings/test/tiny.{stage}").glob("*.h5"))
            ]
            kept = np.concatenate([reader.rows(np.arange(len(reader))) for reader in readers])
            assert [key for reader in readers for key in reader.ids] == cells["ID"].tolist()
            np.testing.assert_array_equal(file[f"obsm/X_tiny.{stage}"], kept)
            places = pd.read_csv(results / f"embeddings/test/tiny.{stage}/pca.csv")
            assert places["ID"].tolist() == cells["ID"].tolist()

    def change(**settings):
        return changed.configure("changed.yaml", lambda given: given.update(settings))

    # What each setting makes again: of step 2 the tables and embeddings, of a picture the picture.
    read = changed.planned("embeddings", configuration=change(step2={"margin": 0.2}))
    assert (read["embed_cells"], read["step2"], "train" in read) == (3, 3, False)
    assert changed.planned("embeddings", configuration=change(embeddings={"sample": 9})) == {
        "embedding_picture": 4,
        "embeddings": 1,
    }
    assert changed.planned(configuration=change(embeddings={"keep": True, "pictures": ["umap"]})) == {}


def test_a_table_as_a_member(changed):
    """A run's own step 2, given as a table by another program, gives the same answer, to the byte."""
    results, tables = changed.folder / "results", changed.folder / "tables"
    tables.mkdir()
    for ds, ending in (("test", "parquet"), ("holdout", "csv")):
        parts = map(pd.read_parquet, sorted((results / f"step2/{ds}/tiny.stage3").glob("*.parquet")))
        table = pd.concat(parts, ignore_index=True).sample(frac=1, random_state=0).assign(theirs="x")
        given = tables / f"{ds}.parquet"
        if ending == "csv":
            given.write_text(table.to_csv(index=False))
        else:
            table.to_parquet(given)
    before = (results / "submission.csv").read_bytes()

    def take(settings):
        settings["models"]["theirs"] = {"table": "tables/{ds}.parquet"}
        settings["ensemble"]["members"][1] = {"model": "theirs", "weight": 1}

    taking = changed.configure("taking.yaml", take)
    expected = {"take_table": 2, "ensemble": 1, "score_cells": 1, "submission": 1}
    assert changed.planned("results/submission.csv", configuration=taking) == expected
    done = changed.run("results/submission.csv", "results/cells/holdout.parquet", configuration=taking)
    assert done.returncode == 0, done.stdout[-4000:]
    assert (results / "submission.csv").read_bytes() == before
    log = (results / "logs/take_table/test/theirs/000.log").read_text()
    assert "columns that are not used: theirs" in log
    assert changed.planned("results/submission.csv", configuration=taking) == {}

    # A changed row makes its shard again; the order of rows and their other columns do not matter.
    path = tables / "test.parquet"
    table = pd.read_parquet(path)
    table.iloc[::-1].assign(theirs="y").to_parquet(path)
    assert changed.planned("results/submission.csv", configuration=taking) == {}
    wrong = table.copy()
    wrong.loc[wrong.index[0], "p03"] = 1.5
    wrong.to_parquet(path)
    assert changed.planned("results/submission.csv", configuration=taking) == {**expected, "take_table": 1}
    failed = changed.run("results/submission.csv", configuration=taking)
    assert failed.returncode != 0
    assert f"row 1: field '{table['ID'].iloc[0]}': p03 is 1.5; expected a number from 0 to 1" in failed.stdout

    # What the header shows stops a run before its first job.
    table.drop(columns=["p18"]).to_parquet(path)
    stopped = changed.run("results/submission.csv", configuration=taking)
    assert stopped.returncode != 0
    assert "models.theirs.table: tables/test.parquet: found 18 columns of probabilities" in stopped.stdout
    path.unlink()
    missing = changed.run("-n", "results/submission.csv", configuration=taking)
    assert "models.theirs.table: tables/test.parquet: there is no such file" in missing.stdout
