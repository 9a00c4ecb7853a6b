"""Choice of the members that each class trusts."""

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.metrics import average_precision_score

from puzzlecell.config.ensemble import EnsembleSettings
from puzzlecell.config.member_choice import MemberChoiceSettings
from puzzlecell.config.score import ScoreSettings
from puzzlecell.data.tables import probability_columns, read_csv
from puzzlecell.errors import UserError
from puzzlecell.scoring.member_choice import ClassChoice, choose, crossed_precision, write_member_choice
from puzzlecell.scoring.member_predictions import Predicted

NAMES = ["a", "b", "Negative"]
FIELDS = np.repeat(np.arange(40), 5)
SCORE = ScoreSettings()


def drawn(quality, shows, seed):
    """Probabilities that tell cells apart the better, the higher the quality is."""
    return np.random.default_rng(seed).random(len(shows)) + quality * shows


def shown(seed=0, share=0.3):
    return np.random.default_rng(seed).random(len(FIELDS)) < share


def test_a_clearly_better_candidate_is_chosen_with_its_precision():
    shows = shown()
    values = np.stack([drawn(0.3, shows, 1), drawn(0.9, shows, 2), drawn(0.6, shows, 3)])
    found = choose(values, shows.astype(float), FIELDS, ["x", "y", "z"], MemberChoiceSettings(), score=SCORE)
    assert (found.chosen, found.cells) == ("y", shows.sum())
    # The area under the envelope is at least that of the steps.
    for value, ap in zip(values, found.ap, strict=True):
        assert average_precision_score(shows, value) <= ap < average_precision_score(shows, value) + 0.05
    assert found.gain[0] == found.error[0] == 0
    assert (found.low < found.ap).all() and (found.ap < found.high).all()


def test_noise_does_not_choose():
    """Of many classes with an equally good candidate, few leave the configured one, and fewer with a wider margin."""
    left = {}
    for margin in (0, 1, 2):
        settings = MemberChoiceSettings(standard_errors=margin, least_gain=0)
        chosen = [
            choose(
                np.stack([drawn(0.5, shows, seed + 100), drawn(0.5, shows, seed + 200)]),
                shows.astype(float),
                FIELDS,
                ["x", "y"],
                settings,
                score=SCORE,
            ).chosen
            for seed in range(60)
            for shows in [shown(seed)]
        ]
        left[margin] = chosen.count("y")
    assert left[0] > 15 > left[1] > left[2]
    assert left[2] <= 4


@pytest.mark.parametrize(
    ("share", "least", "chosen"), [(0.3, 20, "y"), (0.05, 20, "x"), (0.05, 5, "y"), (0.0, 1, "x")]
)
def test_few_cells_choose_nothing(share, least, chosen):
    shows = shown(share=share)
    values = np.stack([drawn(0.0, shows, 1), drawn(3.0, shows, 2)])
    settings = MemberChoiceSettings(least_cells=least)
    assert choose(values, shows.astype(float), FIELDS, ["x", "y"], settings, score=SCORE).chosen == chosen


@pytest.mark.parametrize(("least", "chosen"), [(0.01, "y"), (0.9, "x")])
def test_small_gains_choose_nothing(least, chosen):
    values = np.stack([drawn(0.3, shown(), 1), drawn(0.9, shown(), 2)])
    settings = MemberChoiceSettings(least_gain=least)
    assert choose(values, shown().astype(float), FIELDS, ["x", "y"], settings, score=SCORE).chosen == chosen


def test_cells_that_are_not_known_do_not_count():
    shows = shown().astype(float)
    values = np.stack([drawn(0.3, shows, 1), drawn(0.9, shows, 2)])
    unknown = np.where(np.arange(len(shows)) % 3 == 0, np.nan, shows)
    known = ~np.isnan(unknown)
    names, settings = ["x", "y"], MemberChoiceSettings()
    found = choose(values, unknown, FIELDS, names, settings, score=SCORE)
    alone = choose(values[:, known], shows[known], FIELDS[known], names, settings, score=SCORE)
    np.testing.assert_allclose(found.ap, alone.ap)
    np.testing.assert_allclose(found.error, alone.error)


def test_the_choice_is_measured_on_cells_that_did_not_choose():
    """In each half of the fields, the candidate is good that is bad in the other half, which chooses wrongly."""
    shows = shown().astype(float)
    parts = 1 + (FIELDS >= 20)
    good, bad = drawn(3, shows, 1), -shows
    values = np.stack([drawn(0, shows, 3), np.where(parts == 1, good, bad), np.where(parts == 1, bad, good)])
    names, settings = ["x", "y", "z"], MemberChoiceSettings()
    before, after = crossed_precision(values, shows, FIELDS, parts, names, settings=settings, score=SCORE)
    assert choose(values, shows, FIELDS, names, settings, score=SCORE).ap[0] == pytest.approx(before, abs=0.1)
    assert after < 0.3 < before + 0.1


@pytest.fixture
def predicted():
    """Two members: class a is seen by the second alone, class b by both alike, Negative by the first."""
    truth = np.stack([shown(1), shown(2), shown(3)], axis=1).astype(float)
    cells = pd.DataFrame(
        {
            "ID": [f"f{field}" for field in FIELDS],
            "cell": np.tile(np.arange(1, 6), 40),
            "part": 1 + FIELDS % 2,
        }
    )
    qualities = ([0.0, 0.6, 0.6], [0.6, 0.6, 0.0])
    tables = []
    for number, quality in enumerate(qualities):
        values = [drawn(q, truth[:, i], 10 * number + i) / 3 for i, q in enumerate(quality)]
        table = cells[["ID", "cell"]].assign(**dict(zip(probability_columns(3), values, strict=True)))
        tables.append(table.sample(frac=1, random_state=0))
    images = pd.DataFrame({"ID": cells["ID"].unique(), "p00": 0.1, "p01": 0.1, "p02": 0.1})
    return Predicted(cells, tables, images, truth)


def test_the_precision_that_is_told_is_that_of_the_chosen_members(tmp_path, predicted, monkeypatch):
    """A higher precision of others that is not sure enough is not that of the members that are chosen."""
    numbers = np.array([0.5, 0.7, 0.9])
    told = ClassChoice("step 2", 0.7, 50, numbers, numbers, numbers, numbers - 0.5, numbers)
    monkeypatch.setattr("puzzlecell.scoring.member_choice.choose", lambda *args, **kwargs: told)
    monkeypatch.setattr("puzzlecell.scoring.member_choice.choice_table", lambda *args: pd.DataFrame())
    write_member_choice(
        tmp_path / "members.csv",
        tmp_path / "members.yaml",
        [predicted],
        EnsembleSettings(members=MEMBERS).with_indices(NAMES),
        names=NAMES,
        settings=MemberChoiceSettings(),
        score=SCORE,
        negative=2,
    )
    assert "#   a: step 2 (average precision 0.500 -> 0.700)" in (tmp_path / "members.yaml").read_text()


MEMBERS = [{"model": "m", "stage": "s", "step": step} for step in (1, 2)]


@pytest.mark.parametrize(
    ("negative", "expected"), [("own", {"a", "Negative"}), ("mean", {"a"}), ("one_minus_max", {"a"})]
)
def test_the_files(tmp_path, predicted, caplog, negative, expected):
    ensemble = EnsembleSettings(members=MEMBERS, negative=negative, suppress_by_negative=0.1)
    with caplog.at_level("INFO"):
        write_member_choice(
            tmp_path / "members.csv",
            tmp_path / "members.yaml",
            [predicted],
            ensemble.with_indices(NAMES),
            names=NAMES,
            settings=MemberChoiceSettings(),
            score=SCORE,
            negative=2,
        )
    table = read_csv(tmp_path / "members.csv")
    chosen = table[table["chosen"] == "yes"].set_index("class")["candidate"]
    assert set(chosen.index) == ({"a", "b", "Negative"} if negative == "own" else {"a", "b"})
    assert chosen["a"] == "step 2"
    assert chosen["b"] in ("configured", "all members")
    text = (tmp_path / "members.yaml").read_text()
    assert "#   a: step 2 (average precision 0." in text
    trusted = EnsembleSettings(**yaml.safe_load(text)["ensemble"]).with_indices(NAMES)
    assert {NAMES[index] for member in trusted.members for index in member.classes} == expected
    assert f"{len(expected)} of {len(chosen)} classes trust other members" in caplog.text
    with pytest.raises(UserError, match="score.bootstrap: found 0"):
        write_member_choice(
            tmp_path / "members.csv",
            tmp_path / "members.yaml",
            [predicted],
            ensemble,
            names=NAMES,
            settings=MemberChoiceSettings(),
            score=ScoreSettings(bootstrap=0),
            negative=2,
        )
