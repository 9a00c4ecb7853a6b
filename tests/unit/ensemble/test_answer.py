"""Metadata of fields in the table of cells."""

import pandas as pd

from puzzlecell.ensemble.answer import with_metadata


def test_each_cell_has_the_texts_of_its_field():
    answer = pd.DataFrame({"ID": ["b", "b", "a", "x"], "cell": [1, 2, 1, 1], "p00": [0.1, 0.2, 0.3, 0.4]})
    answer.attrs = {"no_cells": {"c": "dark"}}
    found = with_metadata(
        answer, {"ID": ["a", "b", "c"], "well": ["007", "NA", "B1"], "gene": ["", "TP53", "x"]}
    )
    assert found["well"].tolist() == ["NA", "NA", "007", ""]
    assert found["gene"].tolist() == ["TP53", "TP53", "", ""]
    assert list(found) == ["ID", "cell", "p00", "well", "gene"]
    assert found.attrs == answer.attrs
