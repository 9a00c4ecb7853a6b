"""Classes at chance on held-out fields."""

import numpy as np
import pytest

from puzzlecell.config.plausibility import PlausibilitySettings
from puzzlecell.data.chance import above_chance, class_findings, read_held_out, warn_of_classes_at_chance
from puzzlecell.errors import UserError
from puzzlecell.runtime.checksums import written_with_checksum

CLASSES = ["known", "unknown", "absent"]


def plain_average_precision(labels, probabilities):
    """Mean of the precision at each field with the class, in the order of the probabilities (no ties)."""
    hits = labels[np.argsort(-probabilities)]
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    return precision[hits].mean()


def fold(seed, fields=400):
    """A class in perfect order, one in random order and one that no field has."""
    random = np.random.default_rng(seed)
    labels = random.random((fields, 3)) < [0.3, 0.3, 0]
    probabilities = random.random((fields, 3))
    probabilities[:, 0] = labels[:, 0] * 0.5 + probabilities[:, 0] / 3
    return labels, probabilities


def write(path, labels, probabilities):
    rows = [
        ",".join([f"f{number}", "|".join(map(str, np.flatnonzero(hot))), *map(str, values)])
        for number, (hot, values) in enumerate(zip(labels, probabilities.tolist(), strict=True))
    ]
    with written_with_checksum(path) as temporary:
        temporary.write_text("\n".join(["ID,Label,p00,p01,p02", *rows]) + "\n")
    return path


def test_above_chance_is_average_precision_scaled_by_the_share_of_the_class():
    labels, probabilities = fold(0)
    gains = above_chance(labels, probabilities)
    for index in (0, 1):
        share = labels[:, index].mean()
        plain = plain_average_precision(labels[:, index], probabilities[:, index])
        assert gains[index] == pytest.approx((plain - share) / (1 - share))
    assert gains[0] == pytest.approx(1)
    assert abs(gains[1]) < 0.1
    assert np.isnan(gains[2])
    assert np.isnan(above_chance(np.ones((4, 1), bool), np.zeros((4, 1)))).all()
    assert np.isnan(above_chance(np.zeros((0, 2), bool), np.zeros((0, 2)))).all()


def test_a_held_out_fold_is_read_back(tmp_path):
    labels, probabilities = fold(0, 5)
    labels[0] = False
    path = write(tmp_path / "oof.csv", labels, probabilities)
    found, values = read_held_out(path, 3)
    np.testing.assert_array_equal(found, labels)
    np.testing.assert_array_equal(values, probabilities)
    with pytest.raises(UserError, match="oof.csv: 3 classes, expected 4"):
        read_held_out(path, 4)


def test_cells_for_which_a_class_does_not_count_say_nothing_about_it(tmp_path):
    path = tmp_path / "oof.csv"
    rows = ["a,1,0,0.9,0.5,1.0,0.0", "a,2,,0.1,0.5,0.0,", "b,1,1,0.2,0.4,0.0,1.0", "b,2,,0.3,0.1,,0.0"]
    with written_with_checksum(path) as temporary:
        temporary.write_text("\n".join(["ID,cell,Label,p00,p01,t00,t01", *rows]) + "\n")
    labels, probabilities = read_held_out(path, 2)
    assert np.isnan(probabilities).tolist() == [[False] * 2, [False, True], [False] * 2, [True, False]]
    # Of the second class, the cell a 2 would come first if it counted as lacking it.
    np.testing.assert_allclose(above_chance(labels, probabilities), [1, (1 / 2 - 1 / 3) / (1 - 1 / 3)])


def test_one_warning_names_all_classes_at_chance(tmp_path, caplog):
    settings = PlausibilitySettings(at_chance=0.1)
    warn_of_classes_at_chance(write(tmp_path / "oof.csv", *fold(0)), CLASSES, settings)
    assert caplog.messages == ["at chance on the held-out fold: unknown (1 of 3 classes)"]


def test_a_class_is_reported_if_no_fold_learns_it():
    absent = "no field is labelled absent, so no model can learn it"
    chance = "m, s: no fold learns unknown: the average precision on held-out fields is at chance"
    folds = [fold(0), fold(1)]
    assert class_findings("m, s", folds, CLASSES, 0.1) == [absent, chance]
    # A single fold that learns it is enough; one without a field of the class says nothing.
    folds[1][1][:, 1] = folds[1][0][:, 1]
    assert class_findings("m, s", folds, CLASSES, 0.1) == [absent]
    folds[1][0][:, 1] = False
    assert class_findings("m, s", folds, CLASSES, 0.1) == [absent, chance]


def test_texts_about_a_stage_on_cells_speak_of_cells():
    assert class_findings("m, pupil", [fold(0), fold(1)], CLASSES, 0.1, cells=True) == [
        "m, pupil: no cell has a target of 0.5 or more for absent",
        "m, pupil: no fold learns unknown: the average precision on held-out cells is at chance",
    ]
