import numpy as np
import pandas as pd
import pytest
from helpers.inference_data import CLASSES, write_data, write_network
from sklearn.metrics import f1_score

from puzzlecell.config.steps import Step1Settings
from puzzlecell.data.labels import probability_columns
from puzzlecell.inference.out_of_fold import fields_of_cells, image_metrics, write_oof
from puzzlecell.inference.step1 import step1_shard
from puzzlecell.scoring.thresholds import search_thresholds


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Two shards, their cell tables, a model."""
    folder = tmp_path_factory.mktemp("oof")
    shards = [write_data(folder, 5, "000"), write_data(folder, 2, "001", first=10)]
    model = write_network(folder / "model.safetensors")
    tables = []
    for number, (store, masks) in enumerate(shards):
        step1_shard(store, masks, [model], folder / f"{number}.parquet", Step1Settings(), negative=3)
        cells = pd.read_parquet(folder / f"{number}.parquet")
        cells[["ID", "cell"]].assign(
            centroid_x=np.arange(len(cells)) + 0.5, centroid_y=100.0 * number, area_px=1
        ).to_parquet(folder / f"{number}.cells.parquet")
        tables.append(folder / f"{number}.cells.parquet")
    stores, masks = zip(*shards, strict=True)
    return folder, list(stores), list(masks), tables, model


def test_columns_rows_and_values(data, tmp_path):
    folder, stores, masks, cells, model = data
    chosen = ["field11", "field0", "field2"]
    write_oof(
        tmp_path / "oof.csv",
        stores,
        masks,
        cells,
        [model],
        Step1Settings(),
        negative=3,
        field_ids=chosen,
        images_csv=tmp_path / "images.csv",
    )
    table = pd.read_csv(tmp_path / "oof.csv")
    columns = ["ID", "ImageWidth", "ImageHeight", "cell", "centroid_x", "centroid_y", *probability_columns(4)]
    assert list(table.columns) == columns
    assert set(table["ID"]) == {"field11", "field0"}
    assert (table[["ImageWidth", "ImageHeight"]] == 192).all(axis=None)
    step1 = pd.concat([pd.read_parquet(folder / f"{n}.parquet") for n in (0, 1)])
    both = table.merge(step1, on=["ID", "cell"], validate="one_to_one")
    np.testing.assert_allclose(
        both.filter(like="_x").iloc[:, 1:], both.filter(like="_y").iloc[:, 1:], atol=1e-5
    )
    assert table.loc[table["ID"] == "field11", "centroid_y"].eq(100).all()
    assert pd.read_csv(tmp_path / "images.csv")["ID"].tolist() == ["field0", "field2", "field11"]


def test_a_cell_that_is_not_in_the_cell_table(data, tmp_path):
    _, stores, masks, cells, model = data
    with pytest.raises(ValueError, match="not in the cell table, such as field10 cell"):
        write_oof(tmp_path / "o.csv", stores, masks, cells[:1], [model], Step1Settings(), negative=3)


def test_fields_of_cells_takes_the_largest():
    cells = pd.DataFrame(
        {"ID": ["b", "a", "b"], "cell": [1, 1, 2], "p00": [0.1, 0.5, 0.3], "p01": [0.9, 0, 0.2]}
    )
    assert fields_of_cells(cells).to_numpy().tolist() == [["b", 0.3, 0.9], ["a", 0.5, 0]]


def test_image_metrics_by_hand():
    labels = pd.DataFrame({"a": [1, 0, 1, 0], "b": [0, 0, 0, 0]}, index=list("wxyz"))
    images = pd.DataFrame({"ID": list("zyxw"), "p00": [0.1, 0.2, 0.3, 0.9], "p01": 0.5})
    table = image_metrics(images, labels).set_index("class")
    assert table.loc["a", "ap"] == pytest.approx((1 + 2 / 3) / 2)
    assert table.loc["a", "auc"] == pytest.approx(3 / 4)
    assert table.loc["b", ["ap", "auc"]].isna().all()
    assert table.loc["mean", "ap"] == table.loc["a", "ap"]
    assert table["positives"].tolist() == [2, 0, 2]
    with pytest.raises(ValueError, match="no labels of 1 fields, such as w"):
        image_metrics(images, labels.iloc[1:])
    with pytest.raises(ValueError, match="2 classes are predicted, 1 labelled"):
        image_metrics(images, labels[["a"]])


def test_thresholds_are_the_best_of_the_grid():
    random = np.random.default_rng(0)
    truth = random.uniform(size=(300, 4)) < [0.5, 0.1, 0.3, 0.0]
    values = np.clip(random.normal(0.35, 0.15, (300, 4)) + 0.2 * truth, 0, 1)
    grid = [0.2, 0.3, 0.4, 0.5, 0.6]
    table = search_thresholds(values, truth, CLASSES, grid)
    assert table["class"].tolist() == ["all", *CLASSES]
    scores = np.array([[f1_score(truth[:, c], values[:, c] >= t) for c in range(3)] for t in grid])
    assert table["threshold"][0] == grid[scores.mean(axis=1).argmax()]
    assert table["f1"][0] == pytest.approx(scores.mean(axis=1).max())
    assert table["threshold"][1:4].tolist() == [grid[best] for best in scores.argmax(axis=0)]
    np.testing.assert_allclose(table["f1"][1:4], scores.max(axis=0))
    assert table["threshold"][4] == table["threshold"][0]
    assert np.isnan(table["f1"][4])


def test_between_equal_thresholds_the_middle_is_taken():
    values, truth = np.array([[0.2], [0.9]]), np.array([[False], [True]])
    assert search_thresholds(values, truth, ["a"], [0.1, 0.3, 0.5, 0.7, 0.95])["threshold"].tolist() == [
        0.5,
        0.5,
    ]
    with pytest.raises(ValueError, match="no class occurs"):
        search_thresholds(values, np.zeros((2, 1)), ["a"])
