"""Soft targets of cells: worked by hand, and never by a network that was trained on the field."""

import logging

import numpy as np
import pandas as pd
import pytest

from puzzlecell.config.cell_stage import TargetSettings
from puzzlecell.data.tables import probability_columns, read_parquet, write_csv, write_parquet
from puzzlecell.errors import UserError
from puzzlecell.teaching.targets import (
    FieldFacts,
    TeacherTables,
    soft_targets,
    target_table,
    teacher_tables,
    write_targets,
)

CLASSES = ["a", "b", "Negative"]
NEGATIVE = 2
# Fields x (folds 1) and y (fold 2); cell 3 of x is cut by the border.
CELLS = pd.DataFrame(
    {
        "ID": ["x", "x", "x", "y", "y"],
        "cell": [1, 2, 3, 1, 4],
        "border_quality": [1, 1, 0.4, 1, 0.8],
        "outlier_quality": [1, 1, 1, 1, 0.8],
    }
)
FOLD = pd.Series({"x": 1, "y": 2})
# x shows a alone; y shows b, and cells that show nothing.
LABELS = pd.DataFrame([[1, 0, 0], [0, 1, 1]], index=["x", "y"], columns=CLASSES)
STEP1 = [[0.8, 0.9, 0.1], [0.4, 0.0, 0.3], [0.5, 0.5, 0.5], [0.3, 0.2, 0.6], [0.1, 0.9, 0.0]]
STEP2 = [[0.2, 0.4, 0.2], [0.0, 0.6, 0.1], [0.5, 0.5, 0.5], [0.3, 0.8, 0.2], [0.7, 0.4, 0.9]]
MEAN = {"combine": "mean"}


def write(folder, name, values, rows):
    """A table of a teacher for some of the cells, as CSV (step 1) or Parquet (step 2)."""
    table = pd.DataFrame(np.array(values, np.float32), columns=probability_columns(3))
    table = pd.concat([CELLS[["ID", "cell"]], table], axis=1).loc[rows]
    (write_csv if name.endswith(".csv") else write_parquet)(folder / name, table)
    return folder / name


@pytest.fixture
def teachers(tmp_path):
    """Both steps out of fold; the rows are in another order than the cells."""
    return [
        TeacherTables(
            weight, {1: write(tmp_path, one, values, [2, 0, 1]), 2: write(tmp_path, two, values, [4, 3])}
        )
        for weight, one, two, values in [
            (1, "fold1.csv", "fold2.csv", STEP1),
            (3, "fold1.step2.parquet", "fold2.step2.parquet", STEP2),
        ]
    ]


@pytest.fixture
def unseen(tmp_path):
    return [
        TeacherTables(
            1,
            {},
            [write(tmp_path, f"{n}.parquet", STEP1, rows) for n, rows in enumerate(([0, 1, 2], [3, 4]))],
        )
    ]


def made(teachers, fields=None, **settings):
    fields = FieldFacts(FOLD, LABELS) if fields is None else fields
    table, left_out = target_table(
        CELLS, teachers, fields, negative=NEGATIVE, settings=TargetSettings(**settings)
    )
    return table, {reason: count for reason, count in left_out.items() if count}


PLAIN = {"divide_by_largest": False, "least_quality": 0}
# Weights 1 and 3: a of x is (0.8 + 3 x 0.2) / 4 = 0.35 and (0.4 + 0) / 4 = 0.1; b of y (0.2 + 3 x 0.8) / 4 = 0.65 and
# (0.9 + 3 x 0.4) / 4 = 0.525, which leaves 0.35 and 0.475 for Negative. Other classes are those that the field lacks.
BY_MEAN = [[0.35, 0, 0], [0.1, 0, 0], [0.5, 0, 0], [0, 0.65, 0.35], [0, 0.525, 0.475]]


@pytest.mark.parametrize(
    ("settings", "rows", "expected", "left_out"),
    [
        ({**MEAN, **PLAIN}, [0, 1, 2, 3, 4], BY_MEAN, {}),
        (
            {**MEAN, "least_quality": 0.5},
            [0, 1, 3, 4],
            [[1, 0, 0], [1, 0, 0], [0, 1, 0.35 / 0.65], [0, 1, 0.475 / 0.525]],
            {"low quality": 1},
        ),
        # 0.8 x 0.8 is below 0.65.
        (
            {**MEAN, **PLAIN, "least_quality": 0.65},
            [0, 1, 3],
            [BY_MEAN[n] for n in (0, 1, 3)],
            {"low quality": 2},
        ),
        # The bounds count; what lies between them does not.
        (
            {**MEAN, **PLAIN, "ignore": [0.1, 0.5]},
            [0, 1, 2, 3, 4],
            [[np.nan, 0, 0], [0.1, 0, 0], [0.5, 0, 0], [0, 0.65, np.nan], [0, 0.525, np.nan]],
            {},
        ),
        # 0.8^(1/4) x 0.2^(3/4); a factor of 0 counts as 1e-7.
        (
            {"combine": "product", **PLAIN},
            [0, 1, 2, 3, 4],
            [
                [0.8**0.25 * 0.2**0.75, 0, 0],
                [0.4**0.25 * 1e-7**0.75, 0, 0],
                [0.5, 0, 0],
                [0, 0.2**0.25 * 0.8**0.75, 1 - 0.2**0.25 * 0.8**0.75],
                [0, 0.9**0.25 * 0.4**0.75, 1 - 0.9**0.25 * 0.4**0.75],
            ],
            {},
        ),
    ],
)
def test_targets_by_hand(teachers, settings, rows, expected, left_out):
    table, reasons = made(teachers, **settings)
    assert list(table.columns) == ["ID", "cell", "fold", *probability_columns(3)]
    pd.testing.assert_frame_equal(
        table[["ID", "cell"]], CELLS.loc[rows, ["ID", "cell"]].reset_index(drop=True), check_dtype=False
    )
    assert table["fold"].tolist() == [FOLD[field_id] for field_id in table["ID"]]
    assert {str(table[name].dtype) for name in probability_columns(3)} == {"float32"}
    np.testing.assert_allclose(table[probability_columns(3)], expected, atol=1e-6)
    assert reasons == left_out


def test_a_cell_that_shows_none_of_the_classes_of_its_field_is_left_out(teachers):
    # Of the label a, cell 2 of x has 0.4 by one teacher alone; of no label at all, nothing.
    nothing = LABELS.assign(a=0)
    table, reasons = made(teachers, FieldFacts(FOLD, nothing), least_quality=0)
    assert table["ID"].tolist() == ["y", "y"]
    assert reasons == {"no class": 3}
    # Without the division, such a cell says that none of the classes is there.
    table, reasons = made(teachers, FieldFacts(FOLD, nothing), **PLAIN)
    assert (len(table), reasons) == (5, {})


@pytest.mark.parametrize("how", ["mean", "product"])
def test_what_no_teacher_sees_is_0(how):
    values = np.array([[[0.0, 0.5]], [[0.0, 0.5]]])
    found = soft_targets(values, np.ones(2), how, present=None, negative=None)
    np.testing.assert_allclose(found, [[0, 0.5]])


def test_fields_without_labels(unseen):
    table, reasons = made(unseen, FieldFacts(None, None), **MEAN, **PLAIN, least_confidence=0.65)
    # Negative is 1 - the largest other class: 0.1, 0.6, 0.5, 0.7 and 0.1.
    expected = [[0.8, 0.9, 0.1], [0.3, 0.2, 0.7], [0.1, 0.9, 0.1]]
    np.testing.assert_allclose(table[probability_columns(3)], expected, atol=1e-6)
    assert list(zip(table["ID"], table["cell"], strict=True)) == [("x", 1), ("y", 1), ("y", 4)]
    assert table["fold"].tolist() == [0, 0, 0]
    assert reasons == {"unsure": 2}


def test_fields_with_labels_that_no_network_of_the_teacher_has_seen(unseen):
    table, reasons = made(unseen, FieldFacts(FOLD, LABELS, shared={"y"}), **MEAN, **PLAIN)
    np.testing.assert_allclose(table["p00"], [0.8, 0.4, 0.5], atol=1e-6)
    assert table["fold"].tolist() == [1, 1, 1]
    assert reasons == {"fields like those a teacher has seen": 2}


@pytest.mark.parametrize("teacher", [0, 1])
def test_a_network_never_teaches_the_fields_that_it_was_trained_on(teachers, teacher):
    teachers[teacher] = TeacherTables(1, {1: teachers[teacher].held_out[2], 2: teachers[teacher].held_out[1]})
    with pytest.raises(
        UserError, match=r"fold2\.\S+: the field y is in fold 2, so the network of fold 1 was"
    ):
        made(teachers)


def test_fields_of_other_data_sets_and_without_labels_are_left_out(teachers):
    table, reasons = made(teachers, FieldFacts(FOLD[["x"]], LABELS), **PLAIN)
    assert set(table["ID"]) == {"x"}
    assert reasons == {"fields without labels": 2}


def test_a_cell_without_prediction_is_an_error(teachers, tmp_path):
    teachers[1].held_out[2] = write(tmp_path, "short.parquet", STEP2, [3])
    with pytest.raises(ValueError, match="1 are missing, such as y cell 4: was it computed with other masks"):
        made(teachers)


def test_the_tables_of_each_teacher_are_told_apart():
    found = teacher_tables([1, 2, 3], [True, False, True], list("abcdefg"), folds=2)
    assert found == [
        TeacherTables(1, {1: "a", 2: "b"}),
        TeacherTables(2, {}, ("c", "d", "e")),
        TeacherTables(3, {1: "f", 2: "g"}),
    ]


def test_what_is_written_and_said(teachers, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    write_parquet(tmp_path / "000.cells.parquet", CELLS)
    given = {
        "dataset": "train",
        "teachers": teachers,
        "cell_tables": [tmp_path / "000.cells.parquet"],
        "classes": CLASSES,
        "negative": NEGATIVE,
    }
    path = tmp_path / "targets.parquet"
    settings = TargetSettings(**MEAN, divide_by_largest=False)
    write_targets(path, fields=FieldFacts(FOLD, LABELS), settings=settings, **given)
    pd.testing.assert_frame_equal(read_parquet(path), made(teachers, **MEAN, divide_by_largest=False)[0])
    assert "train: targets of 4 of 5 cells; left out: low quality: 1" in caplog.text
    # (0.35 + 0.1) / 4, (0.65 + 0.525) / 4, (0.35 + 0.475) / 4.
    assert "train: mean targets: a 0.112, b 0.294, Negative 0.206" in caplog.text
    assert "train: no cell has a target above 0.5 for: a, Negative" in caplog.text
    strict = TargetSettings(least_quality=1)
    with pytest.raises(UserError, match="none of its 5 cells is left to learn from"):
        write_targets(
            path, fields=FieldFacts(FOLD[["y"]], LABELS.assign(b=0, Negative=0)), settings=strict, **given
        )
