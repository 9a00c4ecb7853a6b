import math

import pytest
import torch
from torch import nn

from puzzlecell.config.network import NetworkSettings
from puzzlecell.config.optimiser import EmaSettings, OptimiserSettings, ScheduleSettings
from puzzlecell.network.cam_network import CamNetwork
from puzzlecell.network.network_file import NetworkError
from puzzlecell.training.optim import LearningRate, make_optimiser, make_running_mean


def rate(metric="loss", epochs=10, steps=4, **settings):
    return LearningRate(ScheduleSettings(**settings), 1.0, steps, epochs, metric)


@pytest.mark.parametrize("metric", ["loss", "map"])
def test_plateau_equals_torch(metric):
    weight = nn.Parameter(torch.zeros(1))
    optimiser = torch.optim.SGD([weight], 1.0)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimiser, mode="min" if metric == "loss" else "max", factor=0.3, patience=2, min_lr=0.05
    )
    ours = rate(metric, kind="plateau", factor=0.3, patience=2, floor=0.05)
    values = [0.9, 0.8, 0.80001, 0.79999, 0.85, 0.84, 0.7, *[0.75] * 9, 0.95, *[0.9] * 6]
    for value in values:
        theirs.step(value)
        ours.epoch_ended(value)
        assert ours.at(0) == pytest.approx(optimiser.param_groups[0]["lr"])


def test_warmup_rises_in_equal_steps_to_the_rate():
    warming = rate(kind="constant", warmup_epochs=1)
    assert [warming.at(step) for step in range(6)] == [0.25, 0.5, 0.75, 1, 1, 1]


def test_cosine_falls_from_the_rate_to_the_floor():
    cosine = rate(kind="cosine", floor=0.1)
    assert cosine.at(0) == 1
    assert cosine.at(39) == pytest.approx(0.1)
    assert cosine.at(13) == pytest.approx(0.1 + 0.9 * (1 + math.cos(math.pi / 3)) / 2)


def test_one_cycle_rises_and_falls_with_inverse_momentum():
    cycle = rate(kind="one-cycle", warmup_epochs=2, floor=0.0)
    rates = [cycle.at(step) for step in range(40)]
    momenta = [cycle.momentum(step) for step in range(40)]
    assert rates.index(max(rates)) == momenta.index(min(momenta)) == 7
    assert rates == sorted(rates[:8]) + sorted(rates[8:], reverse=True)
    assert (min(momenta), max(momenta)) == (0.85, 0.95)
    assert rates[-1] == pytest.approx(0, abs=1e-12)


def test_the_learning_rate_reaches_the_optimiser():
    optimiser = make_optimiser(nn.Linear(1, 1), OptimiserSettings())
    rate(kind="one-cycle", warmup_epochs=2).apply(optimiser, 7)
    group = optimiser.param_groups[0]
    assert group["lr"] == pytest.approx(1)
    assert group["betas"] == (0.85, 0.999)


def cam_network(backbone, stride=16):
    return CamNetwork(
        NetworkSettings(backbone=backbone, pretrained=False, output_stride=stride), ["a"], 64, 64
    )


def settings_by_name(network, optimiser, key):
    names = {id(weight): name for name, weight in network.named_parameters()}
    found = [
        (names[id(weight)], group[key]) for group in optimiser.param_groups for weight in group["params"]
    ]
    assert len(found) == len(names)
    return dict(found)


@pytest.mark.parametrize("kind", ["adamw", "sgd"])
@pytest.mark.parametrize("backbone", ["test_vit", "test_vit2"])
def test_layer_decay_by_hand(backbone, kind):
    """Patches, positions and tokens are layer 0, then come the blocks, the last with the norm, and the classifier."""
    network = cam_network(backbone)
    depth = len(network.backbone.blocks)
    settings = OptimiserSettings(name=kind, learning_rate=1, layer_decay=0.5, weight_decay=0.1)
    optimiser = make_optimiser(network, settings)
    # The second of four steps of the warm-up.
    rate(kind="cosine", warmup_epochs=1).apply(optimiser, 1)
    rates = settings_by_name(network, optimiser, "lr")
    for name, found in rates.items():
        layer = {"classifier": depth + 1, "backbone.norm": depth}.get(name.rpartition(".")[0], 0)
        if name.startswith("backbone.blocks."):
            layer = 1 + int(name.split(".")[2])
        assert found == pytest.approx(0.5 * 0.5 ** (depth + 1 - layer)), name
    token = "cls_token" if backbone == "test_vit" else "reg_token"
    assert rates[f"backbone.{token}"] == rates["backbone.pos_embed"] == 0.5 ** (depth + 2)
    decays = settings_by_name(network, optimiser, "weight_decay")
    for name, found in decays.items():
        expected = 0.1 if name.endswith("weight") and "norm" not in name else 0.0
        assert found == expected, name


def test_layer_decay_of_a_convolutional_network_falls_towards_its_stem():
    network = cam_network("test_resnet", 32)
    optimiser = make_optimiser(network, OptimiserSettings(learning_rate=1, layer_decay=0.8))
    rate(kind="constant").apply(optimiser, 0)
    rates = settings_by_name(network, optimiser, "lr")
    names = ("classifier.weight", "backbone.layer4.0.conv1.weight", "backbone.layer1.0.conv1.weight")
    assert rates[names[0]] == 1 > rates[names[1]] > rates[names[2]] > rates["backbone.conv1.0.weight"]


def test_without_layer_decay_all_weights_are_one_group():
    optimiser = make_optimiser(cam_network("test_vit"), OptimiserSettings(weight_decay=0.1))
    (group,) = optimiser.param_groups
    assert group["weight_decay"] == 0.1
    assert "lr_scale" not in group


def test_layer_decay_needs_layers_that_are_known():
    network = cam_network("test_resnet", 32)
    network.backbone = nn.Conv2d(4, 4, 1)
    with pytest.raises(NetworkError, match=r"layer_decay: timm does not know the layers .*\(Conv2d\)"):
        make_optimiser(network, OptimiserSettings(layer_decay=0.5))


def test_the_state_includes_the_plateau():
    before = rate(kind="plateau", patience=0)
    for value in (1, 2, 2):
        before.epoch_ended(value)
    after = rate(kind="plateau", patience=0)
    after.load_state_dict(before.state_dict())
    for each in (before, after):
        each.epoch_ended(3)
    assert after.at(0) == before.at(0) == pytest.approx(0.3**3)


@pytest.mark.parametrize(
    ("settings", "kind", "options"),
    [
        ({"name": "adam", "weight_decay": 0.1}, torch.optim.Adam, {"lr": 0.01, "weight_decay": 0.1}),
        ({"name": "adamw", "betas": (0.8, 0.9)}, torch.optim.AdamW, {"betas": (0.8, 0.9), "weight_decay": 0}),
        ({"name": "sgd", "betas": (0.7, 0.9)}, torch.optim.SGD, {"momentum": 0.7, "nesterov": True}),
    ],
)
def test_every_setting_reaches_the_optimiser(settings, kind, options):
    optimiser = make_optimiser(nn.Linear(1, 1), OptimiserSettings(learning_rate=0.01, **settings))
    assert type(optimiser) is kind
    assert options.items() <= optimiser.param_groups[0].items()


def updated(network, settings, values):
    """Weights of the exponential moving average after each value of the network's weight."""
    nn.init.constant_(network.weight, 0)
    mean, weights = make_running_mean(network, settings), []
    for number, value in enumerate(values, start=1):
        nn.init.constant_(network.weight, value)
        mean.update(network, step=number + 1)
        weights.append(mean.module.weight.item())
    return mean, weights


def test_exponential_moving_average_by_hand():
    _, found = updated(nn.Linear(1, 1, bias=False), EmaSettings(decay=0.9, warmup=False), (1, 1, 0))
    assert found == pytest.approx([0.1, 0.19, 0.171])


def test_exponential_moving_average_warms_up_to_its_decay():
    """The decay at update u is u / (u + 9), as (1 + s) / (10 + s) for s = 0, 1, ..., until it reaches 0.25."""
    _, found = updated(nn.Linear(1, 1, bias=False), EmaSettings(decay=0.25), [1] * 5)
    left = [0.1, 2 / 11, 3 / 12, 0.25, 0.25]
    assert found == pytest.approx([1 - math.prod(left[: number + 1]) for number in range(5)])


def test_exponential_moving_average_copies_batch_statistics():
    network = nn.BatchNorm1d(1)
    network.running_mean.fill_(5)
    mean, _ = updated(network, EmaSettings(decay=0.999), [3])
    assert mean.module.running_mean.item() == 5
    assert not mean.module.training
