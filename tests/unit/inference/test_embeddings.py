"""Embeddings of cells: the classifier, applied to them, gives what the steps read."""

import numpy as np
import pytest
import torch
from helpers.inference_data import SIZE, write_data, write_network
from helpers.subcell_data import SIDE, write_checkpoints

from puzzlecell.config.readers import SubCellSettings
from puzzlecell.config.steps import Step1Settings, Step2Settings
from puzzlecell.data.embedding_file import EmbeddingReader, masks_state
from puzzlecell.data.pixel_sizes import PixelSizes
from puzzlecell.data.resize import sized_field
from puzzlecell.data.store import ShardReader
from puzzlecell.data.tables import class_columns, write_parquet
from puzzlecell.errors import UserError
from puzzlecell.inference.embeddings import embed_read_shard, embed_shard
from puzzlecell.inference.step2 import step2_table
from puzzlecell.inference.subcell import subcell_crops
from puzzlecell.network.cam_network import load_network
from puzzlecell.network.convert_subcell import convert_subcell
from puzzlecell.network.network_file import tensors_digest
from puzzlecell.network.subcell import load_subcell

ROUNDED = 2e-3
"""float16 has 11 digits of precision; sums of a few dozen products of numbers around 1 lose another."""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("embeddings")
    store, masks = write_data(folder)
    model = write_network(folder / "m.safetensors", 1)
    cells = step2_table(store, masks, [model], Step2Settings())[["ID", "cell"]]
    write_parquet(folder / "cells.parquet", cells)
    return {"store": store, "masks": masks, "cell_table": folder / "cells.parquet", "model": model}, cells


def embedded(data, path, settings, **changes):
    embed_shard(path, **{**data[0], "settings": settings, **changes})
    reader = EmbeddingReader(path)
    assert reader.ids.tolist() == data[1]["ID"].tolist()
    assert reader.cells.tolist() == data[1]["cell"].tolist()
    return reader.rows(np.arange(len(reader))).astype(np.float32)


def classified(model, values):
    weight = load_network(model).classifier.weight.detach().numpy()[:, :, 0, 0]
    return values @ weight.T


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"pool": "canvas"},
        {"batch_size": 3},
        {"crop": 96, "canvas": "fitted", "batch_size": 2},
        {"mask": "outside", "scale": "enlarged"},
        # Views are not averaged.
        {"tta": {"flip": True}},
    ],
)
def test_logits_of_step_2(data, tmp_path, changes):
    settings = Step2Settings(**changes)
    values = embedded(data, tmp_path / "a.h5", settings)
    plain = Step2Settings(**{key: value for key, value in changes.items() if key != "tta"})
    table = step2_table(data[0]["store"], data[0]["masks"], [data[0]["model"]], plain)
    expected = table[class_columns(table)].to_numpy(np.float64)
    logits = classified(data[0]["model"], values)
    np.testing.assert_allclose(logits, np.log(expected / (1 - expected)), atol=ROUNDED)


def test_means_of_the_maps_of_fields(data, tmp_path):
    values = embedded(data, tmp_path / "a.h5", Step1Settings(batch_size=2))
    store, masks = ShardReader([data[0]["store"]]), ShardReader([data[0]["masks"]])
    network = load_network(data[0]["model"])
    expected = []
    for field_id in store.ids:
        image = sized_field(store.read(field_id), network.field_size)
        with torch.inference_mode():
            _, maps = network(torch.from_numpy(image.copy()).permute(2, 0, 1)[None])
        labels = masks.read(field_id, "cells")
        # Each pixel of a label image lies in one of 4 x 4 places of the maps.
        spread = np.kron(maps[0].numpy(), np.ones((len(labels) // 4, len(labels) // 4)))
        expected += [spread[:, labels == number].mean(axis=1) for number in np.unique(labels[labels > 0])]
    np.testing.assert_allclose(classified(data[0]["model"], values), expected, atol=ROUNDED)


def test_wrong_inputs(data, tmp_path):
    few = tmp_path / "few.parquet"
    write_parquet(few, data[1].iloc[1:])
    with pytest.raises(ValueError, match=r"cell 1 of field field0 is not in the table of cells"):
        embedded(data, tmp_path / "a.h5", Step2Settings(), cell_table=few)
    with pytest.raises(ValueError, match=r"step2\.source is raw"):
        embedded(data, tmp_path / "a.h5", Step2Settings(source="raw"))
    network = load_network(data[0]["model"])
    with torch.no_grad():
        next(network.backbone.parameters()).fill_(float("nan"))
    from puzzlecell.network.cam_network import save_network

    save_network(tmp_path / "nan.safetensors", network)
    for settings in (Step1Settings(), Step2Settings()):
        with pytest.raises(
            UserError, match=r"field field0.*: the features of .*nan.safetensors are not finite"
        ):
            embedded(data, tmp_path / "a.h5", settings, model=tmp_path / "nan.safetensors")
    assert not (tmp_path / "a.h5").exists()


@pytest.mark.parametrize("batch_size", [1, 4])
def test_numbers_of_subcell(data, tmp_path, batch_size):
    encoder, heads = write_checkpoints(tmp_path / "published")
    weights = tmp_path / "subcell.safetensors"
    convert_subcell(encoder, heads, weights)
    settings = SubCellSettings(kind="subcell", weights=str(weights), source="store", batch_size=batch_size)
    given = {key: path for key, path in data[0].items() if key != "model"}
    sizes = PixelSizes(1.0)
    embed_read_shard(tmp_path / "a.h5", **given, weights=weights, settings=settings, pixel_sizes=sizes)
    reader, network = EmbeddingReader(tmp_path / "a.h5"), load_subcell(weights)
    store, masks = (ShardReader([data[0][key]]) for key in ("store", "masks"))
    expected = []
    for _, _, crop in subcell_crops(store, masks, settings, network.layout, pixel_sizes=sizes):
        assert crop.shape == (4, 16 * SIDE, 16 * SIDE)
        with torch.inference_mode():
            expected.append(network(torch.from_numpy(crop)[None])[1][0].numpy())
    assert len(expected) == len(reader) == len(data[1])
    assert reader.masks == masks_state(masks)
    assert reader.network == tensors_digest(weights)
    assert SIZE == 96
    found = reader.rows(np.arange(len(reader)))
    np.testing.assert_allclose(found, np.stack(expected), rtol=2e-3, atol=1e-3)


def test_a_pixel_size_that_cannot_be_is_named(data, tmp_path):
    encoder, heads = write_checkpoints(tmp_path / "published")
    convert_subcell(encoder, heads, tmp_path / "subcell.safetensors")
    network = load_subcell(tmp_path / "subcell.safetensors")
    settings = SubCellSettings(kind="subcell", weights="subcell.safetensors", source="store")
    store, masks = (ShardReader([data[0][key]]) for key in ("store", "masks"))
    with pytest.raises(UserError, match=r"field field0: its pixel size is 8e-08 um, so that .*pixel_size_um"):
        next(subcell_crops(store, masks, settings, network.layout, pixel_sizes=PixelSizes(8e-8)))
