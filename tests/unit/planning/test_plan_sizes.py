import numpy as np
import pandas as pd
import pytest
from PIL import Image

from puzzlecell.config.datasets import DatasetSettings
from puzzlecell.config.workflow import load_configuration
from puzzlecell.data.raw_files import CHANNELS, channel_path
from puzzlecell.data.tables import write_parquet
from puzzlecell.errors import UserError
from puzzlecell.planning.sizes import Stated, dataset_sizes
from puzzlecell.simulate.field import field_id


@pytest.fixture
def settings(tmp_path, monkeypatch):
    """Data sets that are simulated, have a table with images, and have nothing yet."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "classes.csv").write_text("index,name\n0,a\n1,Negative\n")
    folder = tmp_path / "data/own/images"
    folder.mkdir(parents=True)
    for name, size in (("f1", (30, 20)), ("f2", (10, 40))):
        for channel in CHANNELS:
            Image.fromarray(np.zeros(size, np.uint8)).save(channel_path(folder, name, channel))
    (folder.parent / "labels.csv").write_text("ID,Label\nf1,0\nf2,1\nf3,0\n")
    return load_configuration(
        {
            "classes": "classes.csv",
            "datasets": {
                "drawn": {
                    "role": "train",
                    "shards": 3,
                    "simulate": {"fields": 40, "size": 64, "cells": [3, 6]},
                },
                "own": {"role": "train", "shards": 2},
                "later": {"role": "test", "shards": 4},
            },
            "models": {"m": {"stages": {"s": {"datasets": ["drawn", "own"]}}}},
            "ensemble": {"members": [{"model": "m", "stage": "s", "step": 1}]},
        }
    )


def test_fields_of_each_shard(settings):
    found = dataset_sizes(settings, Stated({"later": 10}))
    given = settings.datasets["drawn"].simulate
    from puzzlecell.data.raw_files import shard_of

    shards = [shard_of(field_id("drawn", index, given), 3) for index in range(40)]
    assert list(found["drawn"].shards) == np.bincount(shards, minlength=3).tolist()
    assert found["own"].fields == 3
    assert list(found["later"].shards) == [2.5] * 4
    assert [size.fields_from for size in found.values()] == ["settings", "data/own/labels.csv", "stated"]
    assert "later" not in dataset_sizes(settings, Stated())


def test_fields_without_labels_are_those_of_the_files_or_of_the_table_of_images(settings, tmp_path):
    named = DatasetSettings(
        role="test", images="data/own/images", naming="f{number}_{channel}.png", ID="{number}"
    )
    table = tmp_path / "data/listed/images.csv"
    table.parent.mkdir()
    images = ",".join(f"../own/images/f1_{channel}.png" for channel in CHANNELS)
    table.write_text(f"ID,{','.join(CHANNELS)}\nx,{images}\n")
    own = {"named": named, "listed": DatasetSettings(role="test")}
    found = dataset_sizes(settings.model_copy(update={"datasets": own}), Stated())
    assert {name: (size.fields, size.fields_from) for name, size in found.items()} == {
        "named": (2, "data/own/images"),
        "listed": (1, "data/listed/images.csv"),
    }
    assert found["named"].megapixels == 500 / 1e6
    assert found["listed"].megapixels == 600 / 1e6


def test_pixels_are_those_of_the_files_or_stated(settings):
    found = dataset_sizes(settings, Stated({"later": 10}, side=100))
    assert {name: size.megapixels for name, size in found.items()} == pytest.approx(
        {"drawn": 64**2 / 1e6, "own": 500 / 1e6, "later": 0.01}
    )


@pytest.mark.parametrize(
    ("stated", "tables", "expected"),
    [
        (None, {}, {"drawn": (4.5, "settings"), "own": (20, "assumed"), "later": (20, "assumed")}),
        (7, {}, {"drawn": (4.5, "settings"), "own": (7, "stated"), "later": (7, "stated")}),
        (
            7,
            {"own": 6},
            {"drawn": (4.5, "settings"), "own": (3, "cell tables"), "later": (3, "other cell tables")},
        ),
        (
            None,
            {"drawn": 4, "own": 8},
            {"drawn": (2, "cell tables"), "own": (4, "cell tables"), "later": (3, "other cell tables")},
        ),
    ],
)
def test_cells_per_field(settings, stated, tables, expected):
    for name, cells in tables.items():
        # Two fields have cells.
        table = pd.DataFrame({"ID": ["a"] + ["b"] * (cells - 1), "cell": range(cells)})
        write_parquet(f"results/masks/{name}/000.cells.parquet", table)
    found = dataset_sizes(settings, Stated({"later": 10}, cells=stated))
    assert {name: (size.cells, size.cells_from) for name, size in found.items()} == expected


def test_mistakes(settings, tmp_path):
    with pytest.raises(UserError, match=r"--fields: there is no data set 'laterr'.*later"):
        dataset_sizes(settings, Stated({"laterr": 10}))
    (tmp_path / "data/own/labels.csv").write_text("ID,Label\nf1,0\nf1,1\n")
    with pytest.raises(UserError, match="ID more than once: f1"):
        dataset_sizes(settings, Stated())
