import math

import pytest
import torch
from torch import nn

from puzzlecell.config.training import LossSettings
from puzzlecell.network.puzzle import PuzzleNetwork, PuzzleOutput, merge_tiles, split_tiles
from puzzlecell.training.losses import ComboLoss

LN3 = math.log(3)


@pytest.fixture
def output():
    """One field, two classes: probabilities 3/4, 1/2 in full, 1/2, 1/4 in tiles; maps differ by 1 and 3."""
    return PuzzleOutput(
        logits=torch.tensor([[LN3, 0.0]]),
        maps=torch.tensor([[[[1.0]], [[2.0]]]]),
        tile_logits=torch.tensor([[0.0, -LN3]]),
        tile_maps=torch.tensor([[[[2.0]], [[-1.0]]]]),
    )


LABELS = torch.tensor([[1.0, 0.0]])
FULL = (-math.log(3 / 4) - math.log(1 / 2)) / 2
TILES = (-math.log(1 / 2) - math.log(3 / 4)) / 2
CONSISTENCY = (1 + 3) / 2


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ({"alpha": 1, "beta": 0, "gamma": 0}, FULL),
        ({"alpha": 3, "beta": 0, "gamma": 0}, 3 * FULL),
        ({"alpha": 0, "beta": 2, "gamma": 0}, 2 * TILES),
        ({"alpha": 0, "beta": 1, "gamma": 0.25}, TILES + 0.25 * CONSISTENCY),
        ({"alpha": 1, "beta": 1, "gamma": 0.5}, FULL + TILES + 0.5 * CONSISTENCY),
    ],
)
def test_every_weight_by_hand(output, weights, expected):
    parts = ComboLoss(LossSettings(**weights))(output, LABELS)
    assert parts.total.item() == pytest.approx(expected, rel=1e-6)
    assert parts.full.item() == pytest.approx(FULL, rel=1e-6)
    assert parts.tiles.item() == pytest.approx(TILES, rel=1e-6)
    assert parts.consistency.item() == pytest.approx(CONSISTENCY)


def test_without_tiles_only_alpha_applies(output):
    single = output._replace(tile_logits=None, tile_maps=None)
    parts = ComboLoss(LossSettings(alpha=2))(single, LABELS)
    assert parts.total.item() == pytest.approx(2 * FULL, rel=1e-6)
    assert parts.tiles.item() == parts.consistency.item() == 0


def test_gamma_rises_over_the_ramp_and_stays():
    loss = ComboLoss(LossSettings(gamma=2, gamma_ramp=0.5))
    assert [loss.gamma(share) for share in (0, 0.25, 0.5, 1)] == [0, 1, 2, 2]
    assert ComboLoss(LossSettings(gamma=2)).gamma(0) == 2


def test_the_ramped_gamma_is_used(output):
    loss = ComboLoss(LossSettings(alpha=0, beta=1, gamma=1, gamma_ramp=1))
    early, late = (loss(output, LABELS, share).total.item() for share in (0.25, 1.0))
    assert late - early == pytest.approx(0.75 * CONSISTENCY, rel=1e-6)


def test_focal_loss_by_hand(output):
    loss = ComboLoss(LossSettings(kind="focal", focal_gamma=2, focal_alpha=0.25))
    found = loss.classification(output.logits, LABELS).item()
    expected = 0.25 * (1 / 4) ** 2 * -math.log(3 / 4) + 0.75 * (1 / 2) ** 2 * -math.log(1 / 2)
    assert found == pytest.approx(expected / 2, rel=1e-6)


def test_focal_loss_with_gamma_zero_is_cross_entropy(output):
    soft = torch.tensor([[0.3, 0.9]])
    focal = ComboLoss(LossSettings(kind="focal", focal_gamma=0)).classification(output.logits, soft)
    plain = ComboLoss(LossSettings()).classification(output.logits, soft)
    torch.testing.assert_close(focal, plain)


def test_focal_loss_of_a_soft_label_vanishes_where_the_probability_equals_it():
    loss = ComboLoss(LossSettings(kind="focal"))
    hit = loss.classification(torch.tensor([[LN3]]), torch.tensor([[0.75]]))
    assert hit.item() == pytest.approx(0, abs=1e-6)


def test_label_smoothing_is_cross_entropy_with_smoothed_labels(output):
    smoothed = ComboLoss(LossSettings(label_smoothing=0.2))(output, LABELS).full
    by_hand = ComboLoss(LossSettings())(output, torch.tensor([[0.9, 0.1]])).full
    torch.testing.assert_close(smoothed, by_hand)


def test_losses_are_per_field():
    """A field's loss does not depend on its neighbours in the batch."""
    generator = torch.Generator().manual_seed(0)
    maps, tile_maps = torch.randn(2, 3, 2, 4, 4, generator=generator)
    labels = torch.rand(3, 2, generator=generator)
    both = PuzzleOutput(maps.mean((2, 3)), maps, tile_maps.mean((2, 3)), tile_maps)
    one = PuzzleOutput(*(part[1:2] for part in both))
    loss = ComboLoss(LossSettings())
    torch.testing.assert_close(loss(both, labels).total[1:2], loss(one, labels[1:2]).total)


@pytest.mark.parametrize("side", [2, 3])
def test_merged_tiles_equal_the_image(side):
    images = torch.arange(2 * 3 * 12 * 6).reshape(2, 3, 12, 6)
    tiles = split_tiles(images, side)
    assert tiles.shape == (2 * side**2, 3, 12 // side, 6 // side)
    assert torch.equal(merge_tiles(tiles, side), images)


def test_tiles_are_ordered_by_row_with_the_batch_innermost():
    images = torch.arange(16).reshape(1, 1, 4, 4)
    images = torch.cat([images, images + 100])
    firsts = split_tiles(images, 2)[:, 0, 0, 0].tolist()
    assert firsts == [0, 100, 2, 102, 8, 108, 10, 110]


def test_a_size_that_cannot_be_tiled_is_an_error():
    with pytest.raises(ValueError, match="5 x 4 cannot be cut into 2 x 2"):
        split_tiles(torch.zeros(1, 1, 5, 4), 2)


class Equivariant(nn.Module):
    """Maps that depend only on blocks of 4 pixels, so that tiling changes nothing."""

    def forward(self, images):
        maps = nn.functional.avg_pool2d(images.float(), 4)
        return maps.mean((2, 3)), maps


def test_merged_tile_maps_of_an_equivariant_network_are_the_full_maps():
    images = torch.randint(0, 256, (3, 4, 32, 32), dtype=torch.uint8)
    output = PuzzleNetwork(Equivariant(), 2)(images)
    torch.testing.assert_close(output.tile_maps, output.maps)
    torch.testing.assert_close(output.tile_logits, output.logits)
    assert ComboLoss(LossSettings())(output, torch.zeros(3, 4)).consistency.abs().max() == 0


@pytest.mark.parametrize(("side", "tiles"), [(0, True), (2, False)])
def test_no_second_pass_without_puzzle(side, tiles):
    output = PuzzleNetwork(Equivariant(), side)(torch.zeros(1, 4, 8, 8), tiles)
    assert output.tile_logits is None
    assert output.tile_maps is None
