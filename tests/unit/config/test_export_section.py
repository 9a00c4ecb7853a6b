"""The section `export`: contradictions are reported together with all other problems."""

import pytest
import yaml
from helpers.paths import ROOT

from puzzlecell.config import results
from puzzlecell.config.training import merged
from puzzlecell.config.workflow import ConfigError, load_configuration


@pytest.fixture(autouse=True)
def in_the_project(monkeypatch):
    monkeypatch.chdir(ROOT)


def configuration(**export):
    settings = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    return load_configuration(merged(settings, {"export": export}), ROOT)


@pytest.mark.parametrize(
    ("export", "message"),
    [
        ({"ome_zarr": {"fields": ["A01"]}}, r"found 'A01'; expected <data set>/<ID>.*holdout, test"),
        ({"ome_zarr": {"fields": ["train/A01"]}}, r"found 'train/A01'; expected <data set>/<ID>"),
        ({"ome_zarr": {"fields": ["test/"]}}, "found 'test/'; expected"),
        ({"ome_zarr": {"fields": ["test/a", "test/a"]}}, "export.ome_zarr.fields: 'test/a' is named twice"),
        ({"formats": ["ome_zarr"]}, "no field is named, but export.formats has ome_zarr"),
        ({"formats": ["csv", "csv"]}, "export.formats: csv is named twice"),
        ({"formats": ["h5"]}, "export.formats"),
        ({"ome_zarr": {"version": "0.3"}}, "export.ome_zarr.version"),
    ],
)
def test_contradictions_are_reported(export, message):
    with pytest.raises(ConfigError, match=message):
        configuration(**export)


def test_the_version_may_be_a_number_in_yaml():
    assert configuration(ome_zarr={"version": 0.5}).export.ome_zarr.version == "0.5"


def test_what_is_exported_changes_no_file():
    plain = configuration()
    other = configuration(formats=["geojson"], ome_zarr={"fields": ["test/a"]})
    assert results.answer(plain, "test") == results.answer(other, "test")
    assert results.ome_zarr(plain) == results.ome_zarr(other)
    assert results.ome_zarr(configuration(ome_zarr={"version": "0.5"})) != results.ome_zarr(plain)
    assert results.answer(plain, "test")["ensemble.combine"] == '"product"'
    assert results.answer(plain, "test")["models.lite0.stages.stage1.training.epochs"] == "5"
