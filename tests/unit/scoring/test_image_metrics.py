import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from puzzlecell.scoring.image_metrics import image_metrics
from puzzlecell.scoring.thresholds import search_thresholds

CLASSES = ["a", "b", "c", "Negative"]


def test_image_metrics_by_hand():
    labels = pd.DataFrame({"a": [1, 0, 1, 0], "b": [0, 0, 0, 0]}, index=list("wxyz"))
    images = pd.DataFrame({"ID": list("zyxw"), "p00": [0.1, 0.2, 0.3, 0.9], "p01": 0.5})
    table = image_metrics(images, labels).set_index("class")
    assert table.loc["a", "ap"] == pytest.approx((1 + 2 / 3) / 2)
    assert table.loc["a", "auc"] == pytest.approx(3 / 4)
    assert table.loc["b", ["ap", "auc"]].isna().all()
    assert table.loc["mean", "ap"] == table.loc["a", "ap"]
    assert table["positives"].tolist() == [2, 0, 2]
    with pytest.raises(ValueError, match="no labels for 1 fields, such as w"):
        image_metrics(images, labels.iloc[1:])
    with pytest.raises(ValueError, match="2 classes are predicted, but 1 labelled"):
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


def test_the_middle_of_equal_thresholds_is_taken():
    values, truth = np.array([[0.2], [0.9]]), np.array([[False], [True]])
    assert search_thresholds(values, truth, ["a"], [0.1, 0.3, 0.5, 0.7, 0.95])["threshold"].tolist() == [
        0.5,
        0.5,
    ]
    with pytest.raises(ValueError, match="no class occurs"):
        search_thresholds(values, np.zeros((2, 1)), ["a"])
