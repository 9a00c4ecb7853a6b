"""Members that a class trusts, as settings of the ensemble."""

import numpy as np
import pandas as pd
import pytest
import yaml

from puzzlecell.config.ensemble import EnsembleSettings
from puzzlecell.data.tables import probability_columns
from puzzlecell.ensemble.combine import ensemble_cells
from puzzlecell.ensemble.trust import CONFIGURED, Candidate, candidates, overlay_text, trusting

NAMES = ["a", "b", "Negative"]
MEMBERS = [
    {"model": "m", "stage": "s", "step": 1, "weight": 2},
    {"model": "m", "stage": "t", "step": 1},
    {"model": "m", "stage": "s", "step": 2},
]
PRODUCT = {"source": "image", "how": "product", "weight": 0.6}


def settings(**values):
    given = {"members": MEMBERS, "max_classes": "all", **values}
    return EnsembleSettings(**given).with_indices(NAMES)


@pytest.mark.parametrize(
    ("values", "images", "expected"),
    [
        (
            {},
            True,
            [CONFIGURED, "all members", "step 1", "step 2", "m.s step 1", "m.t step 1", "field"],
        ),
        ({"members": MEMBERS[:1]}, False, [CONFIGURED, "all members"]),
        (
            {"members": MEMBERS[1:], "image_fusion": {"source": "cells"}},
            False,
            [
                CONFIGURED,
                *("all members", "all members, with the field"),
                *("step 1", "step 1, with the field", "step 2", "step 2, with the field"),
                "field",
            ],
        ),
    ],
)
def test_candidates_that_differ(values, images, expected):
    assert list(candidates(settings(**values), images=images)) == expected


@pytest.mark.parametrize("fusion", [None, PRODUCT, {**PRODUCT, "except_classes": ["b"]}])
def test_each_class_is_that_of_its_candidate(fusion):
    """Class a of step 2 alone, class b of the field alone, Negative as it is configured."""
    random = np.random.default_rng(0)
    cells = pd.DataFrame({"ID": ["x", "x", "y"], "cell": [1, 2, 1]})
    columns = probability_columns(3)
    tables = [cells.assign(**dict(zip(columns, random.random((3, 3)), strict=True))) for _ in range(3)]
    images = pd.DataFrame({"ID": ["x", "y"]}).assign(**dict(zip(columns, random.random((3, 2)), strict=True)))
    given = settings(image_fusion=fusion)
    chosen = trusting(given, {0: Candidate(frozenset([2]), 1.0), 1: Candidate(cell=0.0)})

    def answer(ensemble):
        members = [(table, member.weight) for table, member in zip(tables, ensemble.members, strict=True)]
        return ensemble_cells(cells, members, images, ensemble, negative=2)

    found = answer(chosen)
    np.testing.assert_allclose(found["p00"], tables[2]["p00"], atol=1e-6)
    of_field = images.set_index("ID")["p01"].loc[cells["ID"]]
    np.testing.assert_allclose(found["p01"], of_field, atol=1e-6)
    np.testing.assert_allclose(found["p02"], answer(given)["p02"], atol=1e-6)
    # What is written, added to the configuration, is what was chosen.
    overlay = yaml.safe_load(overlay_text(chosen, NAMES))["ensemble"]
    assert settings(**{"image_fusion": fusion, **overlay}) == chosen
    assert overlay["members"][0]["classes"] == {"a": 0.0}


def test_members_come_back_to_a_class():
    """Weights that are configured for single classes are replaced by those of the candidate."""
    given = settings(members=[{**MEMBERS[0], "classes": {"a": 0, "b": 5}}, *MEMBERS[1:]])
    chosen = trusting(given, {0: Candidate(frozenset([0, 1]), 1.0), 1: Candidate()})
    assert [member.classes for member in chosen.members] == [{1: 5}, {}, {0: 0}]
