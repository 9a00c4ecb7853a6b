"""Vision transformers as backbones: their tokens as maps."""

import numpy as np
import pytest
import torch
from torch import nn

from puzzlecell.config.network import InputSettings, NetworkSettings
from puzzlecell.network._timm import timm
from puzzlecell.network.cam_network import CamNetwork, build_network, load_network, save_network
from puzzlecell.network.network_file import NetworkError
from puzzlecell.network.pretrained import MEAN, STD
from puzzlecell.network.token_maps import token_map

CLASSES = ["a", "b", "c"]


def network(backbone="test_vit", field_size=64, crop_size=32, **changes) -> CamNetwork:
    torch.manual_seed(0)
    settings = NetworkSettings(**{"backbone": backbone, "pretrained": False, "output_stride": 16, **changes})
    inputs = InputSettings(field_size=field_size, crop_size=crop_size)
    return build_network(settings, inputs, CLASSES).eval()


def random_images(*shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


def test_tokens_become_a_map_row_by_row_without_the_first_ones():
    tokens = torch.tensor([[[9, 90], [8, 80], [0, 10], [1, 11], [2, 12], [3, 13], [4, 14], [5, 15]]])
    found = token_map(tokens, 2, (2, 3))
    assert found.tolist() == [[[[0, 1, 2], [3, 4, 5]], [[10, 11, 12], [13, 14, 15]]]]
    with pytest.raises(NetworkError, match="8 tokens; expected 1 and one for each of 2 x 3 patches"):
        token_map(tokens, 1, (2, 3))


@pytest.mark.parametrize("backbone", ["test_vit", "test_vit2"])
def test_maps_equal_a_hand_computation_patch_by_patch(backbone):
    """Without blocks and positions, a pixel of the maps is linear in the pixels of its patch."""
    built = network(backbone)
    built.backbone.blocks, built.backbone.norm = nn.Sequential(), nn.Identity()
    nn.init.zeros_(built.backbone.pos_embed)
    images = random_images(2, 4, 48, 64)
    logits, maps = (tensor.detach().numpy() for tensor in built(images))
    fields = (images.numpy().transpose(0, 2, 3, 1) / 255 - MEAN) / STD
    kernels = built.backbone.patch_embed.proj.weight.detach().numpy().transpose(2, 3, 1, 0)
    bias = built.backbone.patch_embed.proj.bias.detach().numpy()
    weights = built.classifier.weight.detach().numpy()[..., 0, 0]
    for row in range(3):
        for column in range(4):
            patch = fields[:, 16 * row : 16 * row + 16, 16 * column : 16 * column + 16]
            features = np.tensordot(patch, kernels, 3) + bias
            np.testing.assert_allclose(maps[:, :, row, column], features @ weights.T, atol=1e-4)
    np.testing.assert_allclose(logits, maps.mean((2, 3)), atol=1e-6)


# Class token, register token, and rotary positions with both.
@pytest.mark.parametrize("backbone", ["test_vit", "test_vit2", "vit_small_patch16_dinov3"])
def test_at_its_own_size_a_network_has_the_tokens_of_timm(backbone):
    built = network(backbone).backbone
    plain = timm.create_model(backbone, num_classes=0, global_pool="", in_chans=4).eval()
    plain.load_state_dict(built.state_dict())
    side = 16 * plain.patch_embed.grid_size[0]
    images = torch.randn(1, 4, side, side, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        torch.testing.assert_close(built.forward_features(images), plain.forward_features(images))


def turned(grid: torch.Tensor) -> torch.Tensor:
    """Mean over the quarter turns of the last two axes."""
    return torch.stack([torch.rot90(grid, turns, (-2, -1)) for turns in range(4)]).mean(0)


@pytest.mark.parametrize("backbone", ["test_vit", "test_vit2", "test_vit4"])
@pytest.mark.parametrize("positions", ["zero", "symmetric", "learnt"])
def test_maps_turn_with_the_field_if_positions_and_kernels_do(backbone, positions):
    """Positions are interpolated from their own grid of 10 x 10 patches to fields of 6 x 6 and 4 x 8."""
    built = network(backbone)
    transformer = built.backbone
    prefix = 0 if transformer.no_embed_class else transformer.num_prefix_tokens
    with torch.no_grad():
        transformer.patch_embed.proj.weight.copy_(turned(transformer.patch_embed.proj.weight))
        nn.init.normal_(transformer.pos_embed)
        learnt = transformer.pos_embed[:, prefix:]
        grid = learnt.transpose(1, 2).unflatten(2, transformer.patch_embed.grid_size).clone()
        if positions != "learnt":
            grid = torch.zeros_like(grid) if positions == "zero" else turned(grid)
        learnt.copy_(grid.flatten(2).transpose(1, 2))
        for height, width in ((96, 96), (64, 128)):
            images = random_images(1, 4, height, width)
            maps, of_turned = built(images)[1], built(torch.rot90(images, 1, (2, 3)))[1]
            same = torch.allclose(torch.rot90(maps, 1, (2, 3)), of_turned, atol=1e-4)
            assert same is (positions != "learnt")


@pytest.mark.parametrize(
    ("backbone", "stride"),
    [("test_vit3", 16), ("vit_small_patch14_reg4_dinov2", 14), ("deit_tiny_distilled_patch16_224", 16),
     ("eva02_tiny_patch14_224", 14), ("vit_small_patch8_224", 8), ("vit_base_patch16_subcell", 16),
     ("vit_large_patch16_celldino", 16)],
)  # fmt: skip
def test_maps_of_every_kind_have_a_pixel_per_patch(backbone, stride):
    with torch.device("meta"):
        built = network(backbone, 8 * stride, 4 * stride, output_stride=stride)
        assert built(torch.zeros(1, 4, 2 * stride, 3 * stride))[1].shape == (1, 3, 2, 3)


def test_a_saved_transformer_is_the_same(tmp_path):
    built = network("test_vit2", drop_path_rate=0.1)
    save_network(tmp_path / "model.safetensors", built)
    images = random_images(1, 4, 64, 32)
    assert torch.equal(load_network(tmp_path / "model.safetensors")(images)[1], built(images)[1])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"output_stride": 32}, "output_stride: test_vit has patches of 16 pixels.*found 32, expected 16"),
        ({"output_stride": 8, "stride_by": "dilate"}, "found 8, expected 16"),
        ({"field_size": 72}, r"input.field_size: 72 is not divisible by the patches .*; the nearest is 64"),
        ({"crop_size": 56}, "input.crop_size: 56 is not divisible by the patches .*; the nearest is 64"),
        ({"backbone": "xcit_nano_12_p16_224"}, "xcit_nano_12_p16_224 is not suitable: .*expected"),
        ({"backbone": "test_vit_relpos", "output_stride": 32}, "does not accept an input of 64 x 64"),
        ({"pretrained": True, "backbone": "vit_base_patch16_subcell"}, "a file of `puzzlecell convert-subcell`"),
    ],
)  # fmt: skip
def test_transformers_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(NetworkError, match=message):
        network(**changes)
