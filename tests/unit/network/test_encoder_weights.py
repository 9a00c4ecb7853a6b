"""Starting weights of vision transformers: timm's, SubCell's and those of published checkpoints."""

import pytest
import torch
from helpers.subcell_data import DEPTH, MLP, PATCH, SIDE, WIDTH, write_checkpoints
from safetensors.torch import load_file, save_file
from torch import nn

from puzzlecell.config.network import InputSettings, NetworkSettings
from puzzlecell.errors import DamagedFileError
from puzzlecell.network._timm import VisionTransformer, timm
from puzzlecell.network.cam_network import CamNetwork, build_network
from puzzlecell.network.convert_encoder import convert_encoder
from puzzlecell.network.convert_subcell import convert_subcell
from puzzlecell.network.encoder_weights import RGBY, fitted_tokens, read_encoder
from puzzlecell.network.network_file import NetworkError
from puzzlecell.network.pretrained import MEAN, STD

INPUTS = InputSettings(field_size=64, crop_size=32)
CLASSES = ["a", "b"]
PUBLISHED = ("blue", "red", "yellow", "green")
"""An order of channels unlike ours."""


def started(path, backbone="test_vit", output_stride=16) -> CamNetwork:
    settings = NetworkSettings(backbone=backbone, pretrained=str(path), output_stride=output_stride)
    return build_network(settings, INPUTS, CLASSES).eval()


def source(backbone="test_vit", **options) -> nn.Module:
    torch.manual_seed(3)
    made = timm.create_model(backbone, **options).eval()
    for name, weight in made.named_parameters():
        if weight.ndim == 1:
            nn.init.normal_(weight, 1.0 if name.endswith("weight") else 0.0, 0.1)
    return made


def test_timm_weights_are_kept_and_their_kernels_widened(tmp_path):
    state = source().state_dict()
    save_file(state, tmp_path / "timm.safetensors")
    found = started(tmp_path / "timm.safetensors").backbone.state_dict()
    kernels = "patch_embed.proj.weight"
    assert all(torch.equal(found[name], state[name]) for name in found if name != kernels)
    assert torch.equal(found[kernels][:, :3], state[kernels])
    torch.testing.assert_close(found[kernels][:, 3], state[kernels].mean(1))


def test_positions_of_another_size_are_interpolated(tmp_path):
    state = source(img_size=224).state_dict()
    save_file(state, tmp_path / "larger.safetensors")
    found = started(tmp_path / "larger.safetensors").backbone.pos_embed
    grid = state["pos_embed"][:, 1:].transpose(1, 2).unflatten(2, (14, 14))
    smaller = nn.functional.interpolate(grid, (10, 10), mode="bicubic", antialias=True)
    torch.testing.assert_close(found[:, 1:], smaller.flatten(2).transpose(1, 2))
    assert torch.equal(found[:, :1], state["pos_embed"][:, :1])


def test_the_norm_after_pooling_is_used_for_the_tokens(tmp_path):
    state = source("test_vit2").state_dict()
    save_file(state, tmp_path / "pooled.safetensors")
    assert "norm.weight" not in state
    found = started(tmp_path / "pooled.safetensors", "test_vit2").backbone.norm
    assert torch.equal(found.weight, state["fc_norm.weight"])


@pytest.mark.parametrize("variant", ["rybg", "rbg", "bg"])
def test_the_encoder_of_subcell_has_the_same_tokens(tmp_path, variant):
    """SubCell sees [0, 1] in its own order, the backbone normalised RGBY; channels it lacks see the mean kernel."""
    encoder, heads = write_checkpoints(tmp_path, channels=len(variant))
    subcell = convert_subcell(encoder, heads, tmp_path / "subcell.safetensors", variant)
    backbone = VisionTransformer(
        img_size=SIDE * PATCH, patch_size=PATCH, in_chans=4, num_classes=0, global_pool="", embed_dim=WIDTH,
        depth=DEPTH, num_heads=WIDTH // 64, mlp_ratio=MLP / WIDTH, dynamic_img_size=True,
    ).eval()  # fmt: skip
    state = read_encoder(tmp_path / "subcell.safetensors", MEAN, STD)
    backbone.load_state_dict(fitted_tokens(state, backbone, "vit_base_patch16_subcell"))
    seen = torch.rand(2, 4, 64, 96, generator=torch.Generator().manual_seed(4))
    letters = [name[0] for name in RGBY]
    absent = [place for place, letter in enumerate(letters) if letter not in variant]
    seen[:, absent] = 0
    normalised = (seen - torch.tensor(MEAN).view(1, 4, 1, 1)) / torch.tensor(STD).view(1, 4, 1, 1)
    own = seen[:, [letters.index(letter) for letter in variant]]
    with torch.no_grad():
        # Float32; the encoders differ in the epsilon of their norms.
        torch.testing.assert_close(
            backbone.forward_features(normalised), subcell.encoder(own), rtol=1e-4, atol=1e-4
        )
    kernels = state["patch_embed.proj.weight"] / torch.tensor(STD).view(1, 4, 1, 1)
    present = [place for place in range(4) if place not in absent]
    for place in absent:
        torch.testing.assert_close(kernels[:, place], kernels[:, present].mean(1))


def chunked(state):
    """DINOv2's names of blocks that were trained in chunks of two."""
    return {
        ".".join(["blocks", str(int(name.split(".")[1]) // 2), *name.split(".")[1:]])
        if name.startswith("blocks.")
        else name: tensor
        for name, tensor in state.items()
    } | {"mask_token": torch.zeros(1, 64)}  # fmt: skip


LAYOUTS = {
    "plain": lambda state: state,
    "chunks": chunked,
    "training": lambda state: {
        "teacher": {f"backbone.{name}": tensor for name, tensor in chunked(state).items()}
        | {"dino_head.last_layer.weight": torch.zeros(3)}
    },
    "parallel": lambda state: {"state_dict": {f"module.{name}": tensor for name, tensor in state.items()}},
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_published_encoder_sees_the_same_in_our_order_of_channels(tmp_path, layout):
    published = source(in_chans=4, num_classes=0, global_pool="")
    torch.save(LAYOUTS[layout](published.state_dict()), tmp_path / "published.pth")
    count = convert_encoder(tmp_path / "published.pth", tmp_path / "ours.safetensors", "test_vit", PUBLISHED)
    ours = started(tmp_path / "ours.safetensors").backbone
    assert count == len(ours.state_dict()) == len(load_file(tmp_path / "ours.safetensors"))
    fields = torch.randn(1, 4, 160, 160, generator=torch.Generator().manual_seed(5))
    own = fields[:, [RGBY.index(name) for name in PUBLISHED]]
    with torch.no_grad():
        torch.testing.assert_close(ours.forward_features(fields), published.forward_features(own))


def test_an_encoder_of_rgb_images_is_widened_when_it_is_used(tmp_path):
    state = source().state_dict()
    save_file(state, tmp_path / "published.safetensors")
    convert_encoder(tmp_path / "published.safetensors", tmp_path / "ours.safetensors", "test_vit")
    found = started(tmp_path / "ours.safetensors").backbone.patch_embed.proj.weight
    torch.testing.assert_close(found[:, 3], state["patch_embed.proj.weight"].mean(1))


def without(*names):
    return lambda state: {name: tensor for name, tensor in state.items() if name not in names}


def changed(**tensors):
    return lambda state: {**state, **{name.replace("__", "."): made for name, made in tensors.items()}}


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (without("patch_embed.proj.weight"), {}, "there is no tensor patch_embed.proj.weight; found"),
        (without("blocks.5.attn.qkv.bias"), {}, "tensors of the backbone are missing, such as blocks.5.attn.qkv.bias"),
        (changed(norm__weight=torch.zeros(65)), {}, r"norm.weight has the shape \(65,\), expected \(64,\)"),
        (changed(blocks__0__ls1__gamma=torch.ones(64)), {}, "blocks.0.ls1.gamma is no part of a test_vit"),
        (changed(blocks__6__norm1__bias=torch.ones(64)), {}, "blocks.6.norm1.bias is no part of a test_vit"),
        (changed(blocks__0__3__norm1__bias=torch.ones(64)), {}, "would be a second blocks.3.norm1.bias"),
        (changed(pos_embed=torch.zeros(1, 103, 64)), {}, "not the weights of a test_vit"),
        (changed(pos_embed=torch.zeros(101, 64)), {}, r"pos_embed has the shape \(101, 64\), expected 3 axes"),
        (changed(patch_embed__proj__weight=torch.zeros(64, 5, 16, 16)), {}, r"\(64, 5, 16, 16\); expected \(width, 4"),
        (changed(), {"channels": None}, "an encoder of 4 channels; say with --channels in which order"),
        (changed(), {"channels": ("red", "green", "blue", "blue")}, "found red,green,blue,blue"),
        (changed(patch_embed__proj__weight=torch.zeros(64, 3, 16, 16)), {}, "leave out --channels"),
        (changed(), {"backbone": "test_resnet"}, "'test_resnet' is no vision transformer"),
        (changed(), {"backbone": "vit_tiny"}, "similar names: vit_tiny"),
    ],
)  # fmt: skip
def test_wrong_encoders_are_refused(tmp_path, change, options, message):
    state = source(in_chans=4, num_classes=0, global_pool="").state_dict()
    torch.save(change(state), tmp_path / "published.pth")
    given = {"backbone": "test_vit", "channels": PUBLISHED, **options}
    with pytest.raises(NetworkError, match=message):
        convert_encoder(tmp_path / "published.pth", tmp_path / "ours.safetensors", **given)
    assert not (tmp_path / "ours.safetensors").exists()


@pytest.mark.parametrize("backbone", ["test_vit", "test_vit2", "test_resnet"])
def test_weights_of_another_network_are_refused(tmp_path, backbone):
    save_file(source("test_vit4").state_dict(), tmp_path / "other.safetensors")
    with pytest.raises(NetworkError, match=r"network.pretrained .*other.safetensors\): "):
        started(tmp_path / "other.safetensors", backbone)


def test_a_damaged_encoder_is_refused(tmp_path):
    torch.save(source(in_chans=4).state_dict(), tmp_path / "published.pth")
    path = tmp_path / "ours.safetensors"
    convert_encoder(tmp_path / "published.pth", path, "test_vit", PUBLISHED)
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    with pytest.raises(DamagedFileError):
        read_encoder(path, MEAN, STD)
    with pytest.raises(NetworkError, match="checksum does not match; convert it again"):
        started(path)
