import cv2
import matplotlib.figure
import numpy as np
import pytest

from puzzlecell.scoring.plot import write_score_picture

ROWS = [
    {"prediction": "step1", "mean_ap": 0.5, "low": 0.4, "high": 0.6},
    {"prediction": "ensemble", "mean_ap": 0.7, "low": np.nan, "high": np.nan},
]
CLASSES = {"step1": np.array([0.5, np.nan]), "ensemble": np.array([0.7, 0.8])}


@pytest.fixture
def drawn(tmp_path, monkeypatch):
    """Axes of the plot, and the plot as an image."""
    figures = []
    save = matplotlib.figure.Figure.savefig
    monkeypatch.setattr(
        matplotlib.figure.Figure,
        "savefig",
        lambda figure, *given, **options: figures.append(figure) or save(figure, *given, **options),
    )
    write_score_picture(tmp_path / "s.png", ROWS, CLASSES, ["x", "y"])
    return figures[0].axes, cv2.imread(str(tmp_path / "s.png"))


def test_bars_have_the_lengths_of_the_scores(drawn):
    (means, classes), picture = drawn
    assert [bar.get_height() for bar in means.patches] == [0.5, 0.7]
    assert [bar.get_width() for bar in classes.patches] == [0.5, 0, 0.7, 0.8]
    assert picture.shape == (660, 1100, 3)


def test_the_legend_names_every_prediction(drawn):
    (_, classes), _ = drawn
    (legend,) = classes.figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["step 1: maps under the cell", "ensemble"]
