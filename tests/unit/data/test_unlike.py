"""Findings about fields that are unlike the training fields, and their distances in the answer."""

import pandas as pd
import pytest

from puzzlecell.config.plausibility import PlausibilitySettings
from puzzlecell.data.plausibility import Finding
from puzzlecell.data.tables import write_parquet
from puzzlecell.data.unlike import join_distances, unlike_findings
from puzzlecell.errors import UserError

FIELDS = pd.DataFrame(
    {
        "ID": list("abcd"),
        "unlike_training": [0.5, 3.21, 1.99, 8.0],
        "unlike_in": ["", "features; brighter red", "brighter red", "features; brighter red; smaller nuclei"],
    }
)
OF_ALL = (
    "3 of 4 fields look unlike the fields that the model was trained on (median distance 2.6, expected below 1; "
    "mostly: brighter red, features): its probabilities are not to be trusted here"
)


@pytest.mark.parametrize(("warn_above", "expected"), [(0.5, [OF_ALL]), (0.75, [])])
def test_unlike_fields_are_listed_and_most_of_a_data_set_is_said_in_one_sentence(warn_above, expected):
    found = unlike_findings("set", FIELDS, PlausibilitySettings(warn_above=warn_above))
    assert [finding.what for finding in found if not finding.ID] == expected
    assert [finding for finding in found if finding.ID] == [
        Finding("set", field_id, f"unlike the training fields: distance {ratio}, expected below 1 ({where})")
        for field_id, ratio, where in (("b", "3.21", FIELDS["unlike_in"][1]), ("c", "1.99", "brighter red"))
    ] + [
        Finding(
            "set", "d", f"unlike the training fields: distance 8, expected below 1 ({FIELDS['unlike_in'][3]})"
        )
    ]
    assert unlike_findings("set", FIELDS[:1], PlausibilitySettings()) == []


def test_without_a_common_difference_the_most_frequent_one_is_named():
    where = ["brighter red", "brighter red", "darker green", "smaller cells"]
    found = unlike_findings(
        "set", FIELDS.assign(unlike_training=2.0, unlike_in=where), PlausibilitySettings()
    )
    assert "mostly: brighter red)" in found[0].what


def test_distances_are_joined_by_field_and_cell_whatever_their_order(tmp_path):
    cells = pd.DataFrame({"ID": ["b", "a", "a"], "cell": [1, 2, 1], "unlike_training": [3.0, 2.0, 1.0]})
    write_parquet(tmp_path / "0.parquet", cells[:2])
    write_parquet(tmp_path / "1.parquet", cells[2:])
    write_parquet(tmp_path / "fields.parquet", FIELDS)
    answer = pd.DataFrame({"ID": ["a", "a", "b"], "cell": [1, 2, 1], "p00": 0.5}, index=[7, 8, 9])
    paths = [tmp_path / "0.parquet", tmp_path / "1.parquet"], [tmp_path / "fields.parquet"]
    joined = join_distances(answer, *paths)
    assert joined["unlike_training"].tolist() == [1, 2, 3]
    assert joined["unlike_training_field"].tolist() == [0.5, 0.5, 3.21]
    pd.testing.assert_frame_equal(joined[list(answer)], answer)
    write_parquet(tmp_path / "0.parquet", cells[1:2])
    with pytest.raises(
        UserError, match="1 of 3 cells have no distance from the training fields, such as b cell 1"
    ):
        join_distances(answer, *paths)
