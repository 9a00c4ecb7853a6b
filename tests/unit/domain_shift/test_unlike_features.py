"""What fields and cells look like to a network, against plain versions."""

import numpy as np
import pytest
import torch
from helpers.drawn_fields import SIDE, write_world
from helpers.inference_data import write_network

from puzzlecell.data.store import ShardReader
from puzzlecell.data.tables import read_parquet, write_parquet
from puzzlecell.domain_shift.features import ASPECTS, FLOOR, LEVELS, cell_levels, describe, pooled
from puzzlecell.errors import UserError
from puzzlecell.inference.predict import load_networks
from puzzlecell.network.cam_network import save_network


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Paths of store, label images, cell table and network; the last of 18 fields has no cells."""
    folder = tmp_path_factory.mktemp("world")
    return *write_world(folder, 18, 1, empty=1), write_network(folder / "model.safetensors", field_size=SIDE)


@pytest.fixture(scope="module")
def described(world):
    store, masks, table, model = world
    return describe(store, masks, [table], model)


def test_fields_and_cells_come_in_order(world, described):
    fields, cells = described
    table = read_parquet(world[2])
    assert list(fields.keys) == ["ID"]
    assert fields.keys["ID"].tolist() == ShardReader([world[0]]).ids
    assert cells.keys[["ID", "cell"]].to_numpy().tolist() == table[["ID", "cell"]].to_numpy().tolist()
    for part in described:
        assert tuple(part.aspects) == ASPECTS
        assert {len(values) for values in part.aspects.values()} == {len(part)}


def test_the_classifier_gives_the_logits_from_the_features_of_a_field(world, described):
    """Logits are means of maps, and maps are a linear function of the features."""
    store, model = ShardReader([world[0]]), world[3]
    (network,) = load_networks([model], "cpu")
    images = np.stack([store.read(field_id) for field_id in store.ids])
    with torch.inference_mode():
        logits, _ = network(torch.from_numpy(images).permute(0, 3, 1, 2))
    weights = network.classifier.weight[:, :, 0, 0].detach().numpy()
    found = described[0].aspects["features"] @ weights.T
    np.testing.assert_allclose(found, logits.numpy(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("side", [32, 24, 20])
def test_features_of_a_cell_are_the_mean_of_the_map_under_it(side):
    random = np.random.default_rng(0)
    features = random.normal(size=(5, 4, 4)).astype(np.float32)
    labels = random.integers(0, 4, (side, side)).astype(np.uint16)
    labels[labels == 2] = 7
    large = features.repeat(side // 4, axis=1).repeat(side // 4, axis=2)
    expected = [large[:, labels == number].mean(axis=1) for number in (1, 3, 7)]
    np.testing.assert_allclose(pooled(features, labels), expected, rtol=1e-4, atol=1e-5)


def test_intensities_of_a_cell_are_quantiles_of_its_pixels():
    random = np.random.default_rng(0)
    image = random.integers(0, 256, (16, 16, 4)).astype(np.uint8)
    labels = np.zeros((32, 32), np.uint16)
    labels[:16], labels[20:30, 4:9] = 2, 5
    labels[31, 31] = 6
    found = cell_levels(image, labels)
    small = labels[1::2, 1::2]
    for row, number in enumerate((2, 5)):
        expected = np.log2(np.quantile(image[small == number], LEVELS, axis=0).T + FLOOR)
        np.testing.assert_allclose(found[row], expected)
    labels[31, 31], labels[0, 0] = 0, 6
    assert np.isnan(cell_levels(image, labels)[2]).all(), "no pixel is left of a cell of one"


def test_sizes_are_those_that_the_network_sees(world, described):
    fields, cells = described
    table = read_parquet(world[2])
    # Fields of 128 pixels a side are 64 pixels wide for the network.
    diameter = 2 * np.sqrt(table["area_px"] / np.pi) / 2
    np.testing.assert_allclose(2 ** cells.aspects["cell_size"][:, 0], diameter, rtol=1e-5)
    of_first = diameter[table["ID"] == "w1_0"]
    assert 2 ** fields.aspects["cell_size"][0, 0] == pytest.approx(
        np.sqrt(np.prod(np.sort(of_first)[1:3])), rel=1e-5
    )
    assert np.isnan([fields.aspects[name][-1, 0] for name in ("cell_size", "nucleus_size")]).all()
    assert np.isfinite(fields.aspects["features"]).all()


def test_label_images_and_cell_tables_must_have_the_same_cells(world, tmp_path):
    store, masks, table, model = world
    write_parquet(tmp_path / "cut.parquet", read_parquet(table).iloc[1:])
    with pytest.raises(
        ValueError, match="field w1_0: its label image and its cell table have different cells"
    ):
        describe(store, masks, [tmp_path / "cut.parquet"], model)


def test_features_that_are_not_finite_name_the_fields_and_the_network(world, tmp_path):
    store, masks, table, _ = world
    (network,) = load_networks([world[3]], "cpu")
    with torch.no_grad():
        next(network.backbone.parameters())[:] = float("nan")
    save_network(tmp_path / "nan.safetensors", network)
    with pytest.raises(UserError, match=r"field w1_0, w1_1, .* of .*nan\.safetensors are not finite"):
        describe(store, masks, [table], tmp_path / "nan.safetensors")
