"""The ensemble out of fold."""

import numpy as np
import pandas as pd
import pytest

from puzzlecell.config.ensemble import EnsembleSettings
from puzzlecell.data.tables import probability_table, read_parquet, write_csv, write_parquet
from puzzlecell.ensemble.out_of_fold import grouped, read_out_of_fold, write_oof_cells
from puzzlecell.errors import UserError

MEMBERS = [{"model": "m", "stage": "s", "step": 1, "weight": 3}, {"model": "m", "stage": "s", "step": 2}]
SETTINGS = EnsembleSettings(
    members=MEMBERS, max_classes="all", image_fusion={"source": "image", "how": "mean", "weight": 0.5}
)


def predictions(keys, value):
    return probability_table(
        {"ID": [name for name, _ in keys], "cell": [cell for _, cell in keys]}, np.full((len(keys), 2), value)
    )


@pytest.fixture
def files(tmp_path):
    """Fields a (fold 1) and b (fold 2) of the set `train`, c of another set, and d, which is in no fold."""
    keys = [("b", 1), ("a", 1), ("a", 2), ("d", 1)]
    table = predictions(keys, 0.0)[["ID", "cell"]]
    write_parquet(tmp_path / "cells.parquet", table)
    folds = pd.DataFrame({"ID": ["a", "b", "c"], "dataset": ["train", "train", "more"], "fold": [1, 2, 1]})
    write_csv(tmp_path / "folds.csv", folds)
    # Step 1 has columns that do not count, and cells of the other set.
    write_csv(tmp_path / "fold1.csv", predictions([("a", 1), ("a", 2), ("c", 1)], 0.1).assign(centroid_x=5.0))
    write_csv(tmp_path / "fold2.csv", predictions([("b", 1)], 0.2).assign(centroid_x=5.0))
    write_parquet(tmp_path / "fold1.parquet", predictions([("c", 1), ("a", 2), ("a", 1)], 0.5))
    write_parquet(tmp_path / "fold2.parquet", predictions([("b", 1)], 0.6))
    for fold, names in enumerate((["a", "c"], ["b"]), start=1):
        images = probability_table({"ID": names}, np.full((len(names), 2), 0.8 + fold / 10))
        write_csv(tmp_path / f"images{fold}.csv", images)
    return tmp_path


def read(folder, dataset="train", folds="folds.csv"):
    return read_out_of_fold(
        [folder / "cells.parquet"],
        folds=folds and folder / folds,
        dataset=dataset,
        members=[[folder / f"fold{fold}.{ending}" for fold in (1, 2)] for ending in ("csv", "parquet")],
        images=[[folder / f"images{fold}.csv" for fold in (1, 2)]],
    )


def test_each_cell_has_the_ensemble_of_the_models_that_held_out_its_fold(files):
    write_oof_cells(files / "oof.parquet", read(files), SETTINGS, negative=None)
    found = read_parquet(files / "oof.parquet")
    assert found[["ID", "cell", "fold"]].to_numpy().tolist() == [["b", 1, 2], ["a", 1, 1], ["a", 2, 1]]
    # (3 x step 1 + step 2) / 4, then the mean with the field.
    expected = [(0.3 + 1.0) / 2, (0.2 + 0.9) / 2, (0.2 + 0.9) / 2]
    np.testing.assert_allclose(found["p00"], expected, rtol=1e-6)


def test_a_data_set_in_no_fold_keeps_all_cells(files):
    table = read_parquet(files / "cells.parquet")
    write_parquet(files / "cells.parquet", table[table["ID"] != "d"])
    assert read(files, folds=None).cells["fold"].tolist() == [0, 0, 0]


def test_a_data_set_without_cells_is_refused(files):
    with pytest.raises(UserError, match="more: none of its fields has cells"):
        read(files, dataset="more")


def test_paths_are_grouped_by_their_numbers():
    assert grouped(["a", "b", "c"], [2, 1]) == [["a", "b"], ["c"]]
    with pytest.raises(ValueError, match="3 paths"):
        grouped(["a", "b", "c"], [2])
