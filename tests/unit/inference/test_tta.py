import numpy as np
import pytest
import torch
from helpers.inference_data import write_network

from puzzlecell.config.network import NetworkSettings
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


class Means(torch.nn.Module):
    """Its maps are means of 16 x 16 pixels; it notes the sides of what it sees."""

    def __init__(self):
        super().__init__()
        self.settings = NetworkSettings(output_stride=16)
        self.seen = []

    def forward(self, images):
        self.seen.append(tuple(images.shape[2:]))
        maps = torch.nn.functional.avg_pool2d(images.float(), 16)
        return maps.mean((2, 3)), maps


@pytest.mark.parametrize(
    ("scales", "sides"),
    [
        ((1.25, 1), [64, 80]),
        ((0.6, 1, 1.3), [64, 32, 80]),
        ((0.25, 1, 2), [64, 16, 128]),
        ((1,), [64]),
    ],
)
def test_maps_of_several_scales_lie_over_each_other(scales, sides):
    """A ramp has the same maps at all scales, but for the margins, and in all views."""
    network, ramp = Means(), np.zeros((1, 64, 64, 4), np.uint8)
    ramp[:] = np.linspace(0, 252, 64)[None, None, :, None]
    _, maps = predict(network, ramp, TtaSettings(flip=True, rotate=True, scales=scales), "cpu")
    assert network.seen == [(side, side) for side in sides for _ in range(8)]
    _, plain = predict(network, ramp, TtaSettings(), "cpu")
    # Neighbouring map pixels differ by 64. What is resized takes a little from the margins, and a single pixel has no
    # ramp.
    np.testing.assert_allclose(maps[..., 1:3], plain[..., 1:3], atol=12 if 16 in sides else 2)
    assert TtaSettings(flip=True, scales=scales).passes == 2 * sum(scale**2 for scale in scales)


@pytest.mark.parametrize("scales", [(), (1.25,), (1, 1), (1, 0.1), (1, 8)])
def test_scales_are_checked(scales):
    with pytest.raises(ValueError, match="scales"):
        TtaSettings(scales=scales)


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
