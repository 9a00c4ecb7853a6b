"""The section `embeddings`, models that are tables, and what their results depend on."""

import pytest
import yaml
from helpers.paths import ROOT

from puzzlecell.config import results
from puzzlecell.config.training import merged
from puzzlecell.config.workflow import ConfigError, load_configuration

MEMBERS = [
    {"model": "lite0", "stage": "stage2", "step": 1},
    {"model": "lite0", "stage": "stage2", "step": 2},
    {"model": "lite0", "stage": "stage3", "step": 1},
    {"model": "other"},
]


@pytest.fixture
def load(monkeypatch, tmp_path):
    """Loads the default configuration with changes, in a folder with tables of the data sets test and holdout."""
    for path in ("config", "src"):
        (tmp_path / path).symlink_to(ROOT / path)
    for name in ("test", "holdout"):
        (tmp_path / f"{name}.csv").write_text("ID,cell\n")
    monkeypatch.chdir(tmp_path)
    values = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    values = merged(values, {"models": {"other": {"table": "{ds}.csv"}}})
    values["ensemble"]["members"] = MEMBERS
    return lambda changes=None: load_configuration(merged(values, changes or {}))


def test_members_have_embeddings_but_tables(load):
    assert load().embedded_stages() == [("lite0", "stage2"), ("lite0", "stage3")]
    assert load({"embeddings": {"members": ["lite0.stage3"]}}).embedded_stages() == [("lite0", "stage3")]
    # Of a member of both steps, those of single cells.
    assert [load().embedding_step("lite0", stage) for stage in ("stage2", "stage3")] == [2, 1]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"members": ["lite0.stage1"]},
            "embeddings.members: 'lite0.stage1' is no member of the ensemble that has",
        ),
        ({"members": ["lite0.stage4"]}, "has embeddings; did you mean lite0.stage3?"),
        (
            {"members": ["other.cells"]},
            "embeddings.members: 'other.cells' is no member of the ensemble that has",
        ),
        ({"members": ["lite0.stage2"] * 2}, "embeddings.members: lite0.stage2 is named twice"),
        ({"pictures": ["tsne"]}, "embeddings.pictures.0: found 'tsne'"),
        ({"sample": 1}, "embeddings.sample: found 1"),
        ({"umap": {"min_distance": 1}}, "embeddings.umap.min_distance: found 1"),
    ],
)
def test_mistakes_in_the_section_are_named(load, changes, expected):
    with pytest.raises(ConfigError) as caught:
        load({"embeddings": changes})
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (
            {"table": "{dataset}.csv"},
            "models.other.table: the path {dataset}.csv has braces other than those of {ds}",
        ),
        ({"table": "test.csv"}, "models.other.table: the path test.csv has no {ds} in it"),
        (
            {"table": "no/{ds}.csv"},
            "models.other.table: no/holdout.csv: there is no such file; expected the table of the data set holdout",
        ),
        (
            {"table": "{ds}.csv", "stages": {"a": {"datasets": ["train"]}}},
            "expected one of stages, cells and table",
        ),
        ({"table": "{ds}.csv", "seed": 3}, "a model with table is not trained; remove seed"),
        ({"table": 3}, "models.other.table: found 3"),
    ],
)
def test_mistakes_in_tables_are_named(load, model, expected):
    with pytest.raises(ConfigError) as caught:
        load({"models": {"other": model}})
    assert expected in str(caught.value)


def test_a_table_that_no_member_uses_is_not_missed(load):
    values = {"models": {"unused": {"table": "no/{ds}.csv"}}}
    assert load(values).models["unused"].table == "no/{ds}.csv"


@pytest.mark.parametrize(
    ("changes", "crops", "fields"),
    [
        ({"step2": {"margin": 0.2}}, {"step2.margin"}, set()),
        ({"step2": {"precision": "bf16"}}, {"step2.precision"}, set()),
        ({"step2": {"tta": {"flip": True}}}, set(), set()),
        ({"step2": {"batch_size": 5}, "step1": {"batch_size": 5}}, set(), set()),
        ({"step1": {"quantile": 0.5}}, set(), set()),
        ({"embeddings": {"keep": True, "sample": 5, "seed": 7}}, set(), set()),
    ],
)
def test_embeddings_depend_on_how_cells_are_read(load, changes, crops, fields):
    for stage, expected in (("stage2", crops), ("stage3", fields)):
        plain, changed = (results.embeddings(load(found), "lite0", stage) for found in ({}, changes))
        assert {key for key, text in changed.items() if plain.get(key) != text} == expected
    plain, changed = (results.answer(load(found), "test") for found in ({}, changes))
    assert not {key for key in changed if key.startswith("embeddings")}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"keep": True, "members": ["lite0.stage3"], "pictures": []}, {"pca": set(), "umap": set()}),
        ({"sample": 5}, {"pca": {"embeddings.sample"}, "umap": {"embeddings.sample"}}),
        ({"umap": {"neighbours": 5}}, {"pca": set(), "umap": {"embeddings.umap.neighbours"}}),
    ],
)
def test_pictures_depend_on_how_they_are_made(load, changes, expected):
    for method, keys in expected.items():
        plain, changed = (
            results.embedding_picture(load({"embeddings": found}), method) for found in ({}, changes)
        )
        assert {key for key, text in changed.items() if plain[key] != text} == keys


def test_the_answer_says_which_tables_it_is_of(load):
    assert results.answer(load(), "test")["models.other.table"] == '"{ds}.csv"'
