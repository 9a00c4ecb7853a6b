"""The table of variability as the page of samples reads it."""

import json

import numpy as np
import pandas as pd
import pytest

from puzzlecell.config.variability import VariabilitySettings
from puzzlecell.errors import DamagedFileError
from puzzlecell.scoring.variability import write_variability
from puzzlecell.viewer.variability_columns import variability_columns

NAMES = ["Nucleoli", "Cytosol"]


@pytest.fixture
def table(tmp_path):
    """A table of two wells whose names look like numbers, and four fields."""
    path = tmp_path / "results/variability/test.csv"
    path.parent.mkdir(parents=True)
    random = np.random.default_rng(3)
    answer = pd.DataFrame(
        {"ID": np.repeat(["a_1", "a_2", "b_1", "b_2"], 5), "border_quality": 1.0, "outlier_quality": 1.0}
    )
    answer["well"] = np.repeat(["001", "nan"], 10)
    answer[["p00", "p01"]] = random.random((20, 2))
    write_variability(path, answer, {}, NAMES, VariabilitySettings(group="well"), group=None)
    return path


def test_numbers_and_names_are_those_of_the_table(table):
    columns = variability_columns(table)
    json.dumps(columns, allow_nan=False)
    expected = pd.read_csv(
        table, dtype={"name": str, "level": str}, keep_default_na=False, na_values={"share": [""]}
    )
    assert columns["name"] == expected["name"].tolist() and {"001", "nan"} <= set(columns["name"])
    shares = [np.nan if value is None else value for value in columns["share"]]
    assert shares == pytest.approx(expected["share"].tolist(), abs=1e-6, nan_ok=True)
    assert set(columns["varies"]) == {""} and set(columns["p_value"]) == {None}


def test_fields_are_left_out_of_large_tables(table):
    assert set(variability_columns(table)["level"]) == {"field", "well"}
    assert set(variability_columns(table, most_rows=3)["level"]) == {"well"}


def test_a_changed_table_is_refused(table):
    table.write_text(table.read_text().replace("001", "002"))
    with pytest.raises(DamagedFileError):
        variability_columns(table)
