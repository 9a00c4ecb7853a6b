"""Agreement between people, compared with scikit-learn and by hand."""

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from puzzlecell.config.grades import GradeSettings
from puzzlecell.config.score import ScoreSettings
from puzzlecell.scoring.grade_agreement import GivenGrade, agreement, compared, weighted_kappa
from puzzlecell.teaching.grades import Grade

VALUES = np.array(GradeSettings().values_of(["a", "b"]))


def given(*rows):
    """Rows `table annotator ID cell class grade`."""
    parts = [row.split() for row in rows]
    return [
        GivenGrade(
            table, Grade(2 + line, field_id, int(index), int(grade), who.strip("-"), cell=int(cell)), cell
        )
        for line, (table, who, field_id, cell, index, grade) in enumerate(parts)
    ]


def test_pairs_conflicts_and_repetitions():
    found = compared(
        given(
            "t ann x 1 0 5",
            "u bea x 1 0 4",
            "v cid x 1 0 2",
            # Another class, another cell, and twice the same person.
            "t ann x 1 1 3",
            "t ann x 2 0 1",
            "u ann x 2 0 1",
            "u bea x 2 0 1",
            "t ann y 1 0 1",
            "u ann y 1 0 2",
            "u bea y 1 0 5",
        )
    )
    names = ["ID", "cell", "class", "first", "second", "first_grade", "second_grade"]
    assert found.pairs[names].to_numpy().tolist() == [
        ["x", "1", 0, "ann", "bea", 5, 4],
        ["x", "1", 0, "ann", "cid", 5, 2],
        ["x", "1", 0, "bea", "cid", 4, 2],
        ["x", "2", 0, "ann", "bea", 1, 1],
    ]
    assert found.repeated == 1
    names = ["kind", "ID", "annotator_1", "grade_1", "line_1", "annotator_2", "grade_2", "table_2", "line_2"]
    assert found.conflicts[names].to_numpy().tolist() == [
        ["differ", "x", "ann", 5, 2, "cid", 2, "v", 4],
        ["differ", "x", "bea", 4, 3, "cid", 2, "v", 4],
        ["twice", "y", "ann", 1, 9, "ann", 2, "u", 10],
    ]


def test_people_without_names_are_one_per_table():
    assert len(compared(given("t - x 1 0 5", "u - x 1 0 5")).pairs) == 1


def test_kappa_equals_scikit_learn_with_drawn_fields():
    random = np.random.default_rng(0)
    fields = random.integers(0, 8, 90)
    first = random.integers(1, 6, 90)
    second = np.clip(first + random.integers(-1, 2, 90), 1, 5)
    rows = [
        row
        for cell, (field_id, one, two) in enumerate(zip(fields, first, second, strict=True))
        for row in (f"t ann f{field_id} {cell} 1 {one}", f"u bea f{field_id} {cell} 1 {two}")
    ]
    settings = ScoreSettings(bootstrap=25, seed=3)
    (found,) = agreement(compared(given(*rows)).pairs, VALUES, settings).to_dict("records")
    draws = np.random.default_rng(3).multinomial(8, np.full(8, 1 / 8), 25)

    def plain(draw):
        weight = draw[fields]
        return cohen_kappa_score(first, second, weights="quadratic", sample_weight=weight)

    drawn = [plain(draw) for draw in draws]
    assert (found["class"], found["cells"], found["pairs"]) == (1, 90, 90)
    assert found["kappa"] == pytest.approx(plain(np.ones(8)))
    assert [found["low"], found["high"]] == pytest.approx(np.quantile(drawn, [0.025, 0.975]))
    # Grades from 3 are worth at least 0.5.
    assert found["same"] == pytest.approx(((first >= 3) == (second >= 3)).mean())


@pytest.mark.parametrize(
    ("counts", "kappa"),
    [
        (np.diag([3, 0, 4]), 1),
        (np.diag([3, 0, 0]), np.nan),
        (np.zeros((3, 3), int), np.nan),
        ([[0, 2], [2, 0]], -1),
    ],
)
def test_kappa_by_hand(counts, kappa):
    assert weighted_kappa(np.asarray(counts)) == pytest.approx(kappa, nan_ok=True)
