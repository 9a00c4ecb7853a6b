import math

import numpy as np
import pytest
from sklearn.metrics import f1_score

from puzzlecell.training.metrics import is_better, validation_metrics


def test_metrics_by_hand():
    labels = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0]])
    probabilities = np.array([[0.9, 0.8, 0.1], [0.6, 0.7, 0.2], [0.5, 0.4, 0.3]])
    found = validation_metrics(labels, probabilities)
    # Class 0: 0.9 +, 0.6 -, 0.5 +: 1/2 * 1 + 1/2 * 2/3. Class 1: 0.8 -, 0.7 +, 0.4 +: 1/2 * 1/2 + 1/2 * 2/3.
    assert found["ap00"] == pytest.approx(5 / 6)
    assert found["ap01"] == pytest.approx(7 / 12)
    assert math.isnan(found["ap02"])
    assert found["map"] == pytest.approx((5 / 6 + 7 / 12) / 2)
    # Fields: {0} against {0, 1}, {1} against {0, 1}, {0, 1} against {0}: 2/3 each.
    assert found["f1_samples"] == pytest.approx(2 / 3)
    # Class 0: predicted in all three, correct in two: 4/5. Class 1: predicted in 0 and 1, present in 1 and 2: 1/2.
    assert found["f1_macro"] == pytest.approx((4 / 5 + 1 / 2) / 2)


def test_soft_labels_count_from_one_half():
    soft = validation_metrics(np.array([[0.6], [0.4]]), np.array([[0.7], [0.2]]))
    assert soft["map"] == 1


def test_without_labels_there_is_no_mean():
    assert math.isnan(validation_metrics(np.zeros((2, 2)), np.full((2, 2), 0.5))["map"])


@pytest.mark.parametrize(
    ("metric", "value", "best", "expected"),
    [
        ("loss", 1.0, None, True),
        ("loss", 0.9, 1.0, True),
        ("loss", 1.0, 1.0, False),
        ("map", 0.9, 1.0, False),
        ("map", 1.1, 1.0, True),
        ("map", math.nan, None, False),
    ],
)
def test_is_better(metric, value, best, expected):
    assert is_better(metric, value, best) is expected


def test_f1_equals_scikit_learn():
    random = np.random.default_rng(0)
    labels, probabilities = random.random((40, 5)) < 0.3, random.random((40, 5))
    found = validation_metrics(labels, probabilities)
    for name in ("samples", "macro"):
        theirs = f1_score(labels, probabilities >= 0.5, average=name, zero_division=0)
        assert found[f"f1_{name}"] == pytest.approx(theirs)
