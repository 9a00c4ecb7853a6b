"""Locations of another model and the classes that they belong to."""

import numpy as np
import pytest
from helpers.paths import ROOT

from puzzlecell.config.class_table import read_classes
from puzzlecell.data.class_names import CLASS_OF_LOCATION
from puzzlecell.data.location_table import class_probabilities, read_location_classes
from puzzlecell.data.text_tables import TableError
from puzzlecell.network.subcell_file import LOCATIONS

NAMES = ["a", "b", "c"]


def written(path, *lines):
    path.write_text("\n".join(["location,class", *lines, ""]))
    return path


def test_the_table_of_subcell_is_that_of_the_challenge():
    classes = read_classes(ROOT / "config/classes.csv")
    members = read_location_classes(ROOT / "config/subcell_locations.csv", LOCATIONS, classes)
    for name, of_class in zip(classes, members, strict=True):
        expected = {place for place, own in CLASS_OF_LOCATION.items() if own == name and place in LOCATIONS}
        assert {LOCATIONS[index] for index in of_class} == (expected or {"Negative"}), name
    assert sum(map(len, members)) == len(LOCATIONS) - 4


def test_a_class_has_the_highest_probability_of_its_locations(tmp_path):
    path = written(tmp_path / "map.csv", "x,b", "y,", "z,b", "w,a")
    members = read_location_classes(path, ["w", "x", "y", "z"], NAMES)
    assert members == [[0], [1, 3], []]
    values = np.array([[0.1, 0.2, 0.9, 0.3], [0.4, 0.8, 0.0, 0.3]], np.float32)
    np.testing.assert_allclose(class_probabilities(values, members), [[0.1, 0.3, 0], [0.4, 0.8, 0]])


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["x,a", "xx,b", "y,"], "line 3: no location 'xx'"),
        (["x,a", "y,d"], "line 3: no class 'd' in the class table"),
        (["x,a", "x,b", "y,"], "line 3: x is also in line 2"),
        (["x,a"], "there is no line for y"),
    ],
)
def test_wrong_tables_are_refused_with_the_line(tmp_path, lines, message):
    path = written(tmp_path / "map.csv", *lines)
    with pytest.raises(TableError, match=message):
        read_location_classes(path, ["x", "y"], NAMES)
