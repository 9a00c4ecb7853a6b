"""Which cells get a picture: compared with plain sorting."""

import numpy as np
import pandas as pd
import pytest

from puzzlecell.config.view import ViewPictures
from puzzlecell.viewer.cells import ShardCells
from puzzlecell.viewer.selection import (
    CONFIDENT,
    DISAGREE,
    RANDOM,
    SAMPLE,
    UNCERTAIN,
    picked_cells,
    picked_fields,
    picture_numbers,
    random_order,
)

COUNT, CLASSES = 60, 3
THRESHOLDS = np.array([0.5, 0.2, 0.9])
NONE = {"confident": 0, "uncertain": 0, "disagree": 0, "random": 0, "sample": 0}


def made_up(calibrated: bool = False) -> ShardCells:
    random = np.random.default_rng(3)
    one, other, values = (np.round(random.random((COUNT, CLASSES)), 2) for _ in range(3))
    table = pd.DataFrame({"ID": [f"f{row // 7}" for row in range(COUNT)], "cell": np.arange(COUNT) % 7 + 1})
    return ShardCells(
        table,
        values,
        values**2 if calibrated else None,
        None,
        np.stack([one, other]),
        {1: one, 2: other},
    )


def first(rows: list[int], key: list[tuple], number: int) -> set[int]:
    return set(sorted(rows, key=lambda row: key[row])[:number])


@pytest.mark.parametrize("calibrated", [False, True])
@pytest.mark.parametrize(
    ("name", "bit"),
    [
        ("confident", CONFIDENT),
        ("uncertain", UNCERTAIN),
        ("disagree", DISAGREE),
        ("random", RANDOM),
        ("sample", SAMPLE),
    ],
)
def test_each_reason_picks_its_share(name, bit, calibrated):
    """10 cells in 4 shards: 3 of each. Equal values go by the fixed random order."""
    cells = made_up(calibrated)
    order = random_order(cells.table["ID"], cells.table["cell"])
    picked = picked_cells(cells, order, THRESHOLDS, ViewPictures(**{**NONE, name: 10}), 4)
    rows, p = list(range(COUNT)), cells.probabilities
    compared = p if cells.calibrated is None else cells.calibrated
    top = p.argmax(axis=1)
    differ = np.abs(cells.steps[1] - cells.steps[2]).max(axis=1)
    expected: set[int] = set()
    for index in range(CLASSES):
        of_class = [row for row in rows if top[row] == index]
        away = np.abs(np.round(compared[:, index] * 65535) - np.round(THRESHOLDS[index] * 65535))
        expected |= {
            "confident": first(rows, [(-p[row, index], order[row]) for row in rows], 3),
            "uncertain": first(rows, [(away[row], order[row]) for row in rows], 3),
            "disagree": first(of_class, [(-round(differ[row], 6), order[row]) for row in rows], 3),
            "random": first(of_class, [(order[row],) for row in rows], 3),
            "sample": first(rows, [(order[row],) for row in rows], 3),
        }[name]
    assert set(np.flatnonzero(picked)) == expected
    assert set(picked) <= {0, bit}


def test_a_cell_is_picked_for_several_reasons_once():
    cells = made_up()
    order = random_order(cells.table["ID"], cells.table["cell"])
    picked = picked_cells(cells, order, THRESHOLDS, ViewPictures(), 1)
    assert (picked == CONFIDENT | UNCERTAIN | DISAGREE | RANDOM | SAMPLE).all()


def test_without_one_of_the_steps_none_disagree():
    cells = made_up()
    alone = ShardCells(cells.table, cells.probabilities, None, None, cells.members, {1: cells.steps[1]})
    order = random_order(cells.table["ID"], cells.table["cell"])
    assert not picked_cells(alone, order, THRESHOLDS, ViewPictures(**{**NONE, "disagree": 5}), 1).any()
    assert not alone.disagreement.any()


def test_pictures_are_numbered_by_class_and_falling_probability():
    cells = made_up()
    picked = np.arange(COUNT) % 2
    numbers = picture_numbers(picked, cells.probabilities)
    assert sorted(numbers[picked > 0]) == list(range(1, COUNT // 2 + 1))
    assert not numbers[picked == 0].any()
    rows = np.argsort(numbers)[COUNT // 2 :]
    keys = [(cells.probabilities[row].argmax(), -cells.probabilities[row].max()) for row in rows]
    assert keys == sorted(keys)


def test_the_random_order_depends_on_field_and_cell_alone():
    assert random_order(["a", "b"], [1, 2]).tolist() == random_order(["b", "a"], [2, 1]).tolist()[::-1]
    assert len(set(random_order(["a"] * 500 + ["b"] * 500, [*range(500)] * 2))) == 1000


def test_fields_with_pictures_are_shared_out():
    """A field that is added takes at most the place of one other."""
    ids = [f"field {number}" for number in range(20)]
    before = dict(zip(ids, picked_fields(ids, 10, 2), strict=True))
    after = dict(zip([*ids, "more"], picked_fields([*ids, "more"], 10, 2), strict=True))
    assert sum(before.values()) == sum(after.values()) == 5
    assert sum(before[name] != after[name] for name in ids) <= 1
