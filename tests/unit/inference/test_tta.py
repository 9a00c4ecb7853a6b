import numpy as np
import pytest
import torch
from helpers.inference_data import write_network

from puzzlecell.config.steps import TtaSettings
from puzzlecell.inference import predict as predicting
from puzzlecell.inference.predict import load_networks, predict
from puzzlecell.inference.tta import turn, turn_back, views

ALL = TtaSettings(flip=True, rotate=True)


def test_views_are_the_symmetries_of_a_square():
    image = torch.arange(9.0).reshape(1, 3, 3)
    counts = {(False, False): 1, (True, False): 2, (False, True): 4, (True, True): 8}
    for (flip, rotate), count in counts.items():
        chosen = views(TtaSettings(flip=flip, rotate=rotate))
        assert chosen[0] == (False, 0)
        assert len({tuple(turn(image, view).flatten().tolist()) for view in chosen}) == count


def test_turning_back_undoes_every_view():
    maps = torch.rand(2, 3, 5, 7)
    for view in views(ALL):
        torch.testing.assert_close(turn_back(turn(maps, view), view), maps)


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    path = write_network(tmp_path_factory.mktemp("tta") / "model.safetensors")
    return load_networks([path], "cpu")[0]


def test_all_views_make_the_maps_equivariant(network):
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 4), np.uint8)
    logits, maps = predict(network, images, ALL, "cpu")
    for turned, same in (
        (np.rot90(images, axes=(1, 2)), np.rot90(maps, axes=(2, 3))),
        (images[:, :, ::-1], maps[..., ::-1]),
    ):
        logits_turned, maps_turned = predict(network, turned, ALL, "cpu")
        # Float32 sums over eight views, in a different order.
        np.testing.assert_allclose(maps_turned, same, atol=1e-4)
        np.testing.assert_allclose(logits_turned, logits, atol=1e-4)
    assert not np.allclose(predict(network, images[:, :, ::-1], TtaSettings(), "cpu")[0], logits, atol=1e-4)


def test_logits_are_the_means_of_the_maps(network):
    images = np.random.default_rng(1).integers(0, 256, (3, 64, 64, 4), np.uint8)
    for tta in (TtaSettings(), ALL):
        logits, maps = predict(network, images, tta, "cpu")
        assert maps.shape == (3, 4, 4, 4)
        np.testing.assert_allclose(logits, maps.mean(axis=(2, 3)), atol=1e-5)


@pytest.mark.parametrize(("device", "kept"), [("cpu", 1), ("meta", 0)])
def test_networks_on_a_cpu_keep_freed_memory(monkeypatch, device, kept):
    calls = []
    monkeypatch.setattr(predicting, "keep_freed_memory", lambda: calls.append(device))
    network = torch.nn.Identity()
    network.classes = network.field_size = network.crop_size = None
    monkeypatch.setattr(predicting, "load_network", lambda *_: network)
    load_networks(["model"], device)
    assert len(calls) == kept
