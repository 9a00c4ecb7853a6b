"""A damaged result gives the same content as before, or a message of ours; never an exception of a library."""

import numpy as np
import pandas as pd
import pytest
import torch
from helpers.damage import damaged
from hypothesis import given
from hypothesis import strategies as st

from puzzlecell.config.network import NetworkSettings
from puzzlecell.data.store import ShardReader, write_shard
from puzzlecell.data.tables import read_csv, read_parquet, write_csv, write_parquet
from puzzlecell.errors import UserError
from puzzlecell.network.cam_network import CamNetwork, load_network, save_network
from puzzlecell.runtime.checksums import checksum_path
from puzzlecell.training.checkpoint import load_state, save_state


def store(path):
    random = np.random.default_rng(1)
    images = random.integers(0, 255, (3, 32, 32, 4), dtype=np.uint8)
    images[:, 8:] = images[:, :1]
    columns = {"height": np.uint32([40, 41, 42]), "bit_depth": np.uint8([8, 16, 8])}
    write_shard(path, ["a", "ß", "field 3"], {"images": images, **columns}, {"size": 32, "channels": "r,g"})


def read_store(path):
    reader = ShardReader([path])
    return reader.table.to_dict(), [reader.read(field_id).tobytes() for field_id in reader.ids]


def cells(path):
    table = pd.DataFrame(
        {"ID": ["a", "a", "NA"], "cell": np.int32([1, 2, 1]), "p00": np.float32([0.5, 0, 1])}
    )
    table.attrs = {"no_cells": {"b": "too dark"}}
    write_parquet(path, table)


def read_cells(path):
    table = read_parquet(path)
    return table.to_dict(), table.dtypes.to_dict(), table.attrs


def folds(path):
    rows = [("NA", "train", 1), ("null", "train", 2), ("1e5", "more", 1), ("007", "more", 2)]
    write_csv(path, pd.DataFrame(rows, columns=["ID", "dataset", "fold"]))


def read_folds(path):
    return read_csv(path).to_dict()


def network(path):
    torch.manual_seed(0)
    settings = NetworkSettings(backbone="test_resnet", pretrained=False)
    save_network(path, CamNetwork(settings, ["a", "b"], 64, 64), {"fold": 1})


def read_network(path):
    found = load_network(path)
    state = {name: tensor.numpy().tobytes() for name, tensor in found.state_dict().items()}
    return state, found.classes, found.field_size


def state(path):
    save_state(path, "one", {"weights": {"a": torch.arange(50.0)}, "epoch": 2, "best": None})


def read_state(path):
    found, explanation = load_state(path, "one")
    if found is None:
        raise UserError(explanation)
    return found["weights"]["a"].tolist(), found["epoch"]


KINDS = {
    "store.h5": (store, read_store),
    "cells.parquet": (cells, read_cells),
    "folds.csv": (folds, read_folds),
    "model.safetensors": (network, read_network),
    "last.ckpt": (state, read_state),
}


@pytest.fixture(scope="module")
def intact(tmp_path_factory):
    """Name -> path, bytes and content of an intact file of each kind."""
    folder = tmp_path_factory.mktemp("intact")
    found = {}
    for name, (write, read) in KINDS.items():
        write(folder / name)
        found[name] = folder / name, (folder / name).read_bytes(), read(folder / name)
    return found


@pytest.mark.parametrize("name", KINDS)
@given(data=st.data())
def test_a_damaged_file_is_refused_or_read_as_before(intact, name, data):
    path, content, expected = intact[name]
    path.write_bytes(data.draw(damaged(content)))
    try:
        found = KINDS[name][1](path)
    except UserError as error:
        assert name in str(error)
    else:
        assert found == expected


@given(data=st.data())
def test_a_damaged_checksum_of_a_table_is_refused_or_the_table_is_read_as_before(intact, data):
    path, content, expected = intact["folds.csv"]
    path.write_bytes(content)
    intact_checksum = checksum_path(path).read_bytes()
    checksum_path(path).write_bytes(data.draw(damaged(intact_checksum)))
    try:
        assert read_folds(path) == expected
    except UserError as error:
        assert "folds.csv" in str(error)
    finally:
        checksum_path(path).write_bytes(intact_checksum)
