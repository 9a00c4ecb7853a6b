"""Variability of cells within fields and groups of fields."""

import numpy as np
import pandas as pd
import pytest

from puzzlecell.config.variability import VariabilitySettings
from puzzlecell.data.tables import probability_columns, read_csv
from puzzlecell.errors import UserError
from puzzlecell.scoring.cell_truth import KnownCells
from puzzlecell.scoring.error_rates import ErrorRates, Rate
from puzzlecell.scoring.variability import variability_table, write_variability

NAMES = ["a", "b"]
RATES = [ErrorRates(Rate(2, 1, 0, 0, 0), Rate(1, 2, 0, 0, 0)), None]


def answer(values, ids="xxxxyy", **columns):
    keys = {"ID": list(ids), "cell": range(1, len(ids) + 1), "border_quality": 1.0, "outlier_quality": 1.0}
    table = pd.DataFrame(keys)
    table[probability_columns(2)] = np.array(values)
    return table.assign(**columns)


CELLS = [[0.9, 0.1], [0.7, 0.2], [0.1, 0.6], [0.3, 0.9], [0.8, 0.1], [0.6, 0.2]]


def found(cells, rates=(None, None), by_id=None, **settings):
    table = variability_table(cells, rates, NAMES, VariabilitySettings(**settings), group=by_id)
    return table.set_index(["level", "name", "class"])


def test_shares_and_entropies_worked_by_hand():
    table = found(answer(CELLS), thresholds=0.5)
    # x: two of four cells show a, the other two b; y: both show a, none b, which has no row.
    assert table.index.tolist() == [
        ("field", "x", "all"),
        ("field", "x", "a"),
        ("field", "x", "b"),
        ("field", "y", "all"),
        ("field", "y", "a"),
    ]
    assert table["cells"].tolist() == [4, 4, 4, 2, 2]
    np.testing.assert_allclose(table["share"], [np.nan, 0.5, 0.5, np.nan, 1])
    np.testing.assert_allclose(table["mean_probability"], [np.nan, 0.5, 0.45, np.nan, 0.7])
    np.testing.assert_allclose(table["entropy"], [1, 1, 1, 0, 0], atol=1e-12)
    assert (table["share_low"] <= table["share"])[table["share"].notna()].all()
    assert (table["entropy_high"] >= table["entropy"] - 1e-12).all()
    uneven = found(answer(CELLS), thresholds=[0.2, 0.8])
    # Three cells of x show a, one b.
    expected = -0.75 * np.log2(0.75) - 0.25 * np.log2(0.25)
    np.testing.assert_allclose(uneven["entropy"][:3], [expected] * 3)


def test_intervals_are_those_of_drawing_cells():
    """A share of 0.5 of 100 cells has the standard error 0.05; a group's interval is its own."""
    values = np.tile([[0.9, 0.1], [0.1, 0.1]], (50, 1))
    cells = answer(values, ids="x" * 100)
    row = found(cells, bootstrap=4000).loc["field", "x", "a"]
    np.testing.assert_allclose([row["share_low"], row["share_high"]], [0.402, 0.598], atol=0.011)
    more = pd.concat([answer(values[:7], ids="w" * 7), cells])
    pd.testing.assert_series_equal(found(more, bootstrap=4000).loc["field", "x", "a"], row)


@pytest.mark.parametrize(
    ("columns", "group", "settings", "level", "groups"),
    [
        ({"antibody": ["h1", "h1", "h1", "h1", "h1", "h1"]}, None, {}, "antibody", ["h1"]),
        ({"antibody": ["h1"] * 4 + [""] * 2}, "^(.)", {}, "antibody", ["h1"]),
        (
            {"antibody": ["h1"] * 6, "gene": ["g"] * 4 + ["h"] * 2},
            None,
            {"group": "gene"},
            "gene",
            ["g", "h"],
        ),
        ({}, "^.", {}, None, None),
        ({}, "()", {}, "group", [""]),
        ({}, None, {}, None, None),
    ],
)
def test_fields_are_grouped_by_metadata_or_by_their_ids(columns, group, settings, level, groups):
    cells = answer(CELLS, **{name: pd.array(texts, dtype="str") for name, texts in columns.items()})
    table = found(cells, by_id=group, **settings).reset_index()
    others = table[table["level"] != "field"]
    assert others["level"].unique().tolist() == ([] if level is None else [level])
    assert others["name"].unique().tolist() == (groups or [])
    assert table[table["level"] == "field"]["name"].unique().tolist() == ["x", "y"]


def test_a_group_pools_the_cells_of_its_fields():
    row = found(answer(CELLS), by_id="()").loc["group", "", "a"]
    assert (row["cells"], row["share"]) == (6, pytest.approx(4 / 6))


def test_poor_cells_are_left_out_and_calibrated_probabilities_count():
    cells = answer(CELLS, border_quality=[1, 0.4, 1, 1, 0.1, 0.1])
    assert found(cells)["cells"].tolist() == [3, 3, 3]
    calibrated = answer(CELLS, c00=0.6, c01=0.4)
    assert found(calibrated)["share"].dropna().tolist() == [1, 1]


def test_only_classes_with_measured_errors_are_tested():
    table = found(answer(CELLS), RATES, false_discovery=0.6)
    assert table["p_value"].loc["field", "y", "a"] == 1
    assert table["varies"].loc["field", "y", "a"] == "no"
    assert np.isnan(table["p_value"].loc["field", "x", "b"])
    assert table["varies"].loc["field", "x", "b"] == table["varies"].loc["field", "x", "all"] == ""


def test_the_table_with_errors_measured_on_known_cells(tmp_path, caplog):
    """Ten fields show class a in all cells, ten in none, and it is always seen: x then is a mixture."""
    shows = np.repeat([1.0, 0.0] * 10, 10)
    cells = answer(np.stack([shows, shows], axis=1), ids=np.repeat(np.arange(20), 10).astype(str))
    known = {"train": KnownCells(cells, np.stack([shows, np.full(200, np.nan)], axis=1))}
    mixed = answer([[0.9, 0], [0.1, 0.9]] * 10, ids="x" * 20)
    with caplog.at_level("INFO"):
        write_variability(tmp_path / "v.csv", mixed, known, NAMES, VariabilitySettings(), group=None)
    table = read_csv(tmp_path / "v.csv").set_index("class")
    assert table.loc["a", "varies"] == "yes"
    assert table.loc["b", "varies"] == ""
    assert "a: called in 99.5 % of 100 cells that show it" in caplog.text
    assert "too few cells with known classes for b (1 of 2 classes)" in caplog.text
    write_variability(tmp_path / "v.csv", mixed, {}, NAMES, VariabilitySettings(), group=None)
    assert "no cells with known classes" in caplog.text
    assert set(read_csv(tmp_path / "v.csv")["varies"]) == {""}


def test_mistakes_in_the_settings():
    with pytest.raises(
        UserError, match=r"variability.group: the fields have no metadata 'gene'; they have ID"
    ):
        variability_table(answer(CELLS), RATES, NAMES, VariabilitySettings(group="gene"), group=None)
    with pytest.raises(ValueError, match="expected a number from 0 to 1"):
        VariabilitySettings(thresholds=2)
