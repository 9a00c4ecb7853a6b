import numpy as np
import pandas as pd
from matplotlib.image import imread

from puzzlecell.training.history import draw_curves, write_history, write_predictions


def make_history(epochs=3):
    parts = ("loss", "full", "tiles", "consistency")
    row = {**{f"train_{part}": 1.0 for part in parts}, **dict.fromkeys(parts, 0.5)}
    row |= {"map": 0.3, "f1_samples": 0.2, "f1_macro": 0.1, "learning_rate": 1e-3}
    return [{"epoch": epoch, **row} for epoch in range(1, epochs + 1)]


def test_history_has_one_row_per_epoch(tmp_path):
    write_history(tmp_path / "history.csv", make_history())
    assert pd.read_csv(tmp_path / "history.csv").to_dict("records") == make_history()


def test_curves_are_a_reproducible_picture(tmp_path):
    for name in ("first.png", "second.png"):
        draw_curves(tmp_path / name, make_history(), 2, "resnet18, fold 1 held out")
    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "second.png").read_bytes()
    height, width, _ = imread(tmp_path / "first.png").shape
    assert width > 2 * height
    draw_curves(tmp_path / "other.png", make_history(), 3, "resnet18, fold 1 held out")
    assert (tmp_path / "first.png").read_bytes() != (tmp_path / "other.png").read_bytes()


def test_predictions_name_the_labels(tmp_path):
    labels = np.array([[1, 0, 1], [0, 0.4, 0.6], [0, 0, 0]])
    probabilities = np.array([[0.5, 0.25, 0.125], [0, 1, 0.1], [0.3, 0.2, 0.1]])
    write_predictions(tmp_path / "oof.csv", pd.DataFrame({"ID": ["x", "y", "z"]}), labels, probabilities)
    found = pd.read_csv(tmp_path / "oof.csv", dtype={"Label": str}, keep_default_na=False)
    assert found["ID"].tolist() == ["x", "y", "z"]
    assert found["Label"].tolist() == ["0|2", "2", ""]
    np.testing.assert_allclose(found[["p00", "p01", "p02"]], probabilities, atol=1e-6)
