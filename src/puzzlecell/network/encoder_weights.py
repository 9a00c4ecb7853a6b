"""Weights of vision transformers from elsewhere, brought to the layout of a backbone.

timm's own filters of checkpoints rename published layouts, such as DINOv2's, and interpolate positions and patches of
another size.
"""

import importlib
import os
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from puzzlecell.network._timm import timm
from puzzlecell.network.foreign_weights import read_safetensors
from puzzlecell.network.network_file import NetworkError, checked_metadata, stated_metadata
from puzzlecell.network.subcell_file import SUBCELL, VARIANTS, read_subcell_file

RGBY = ("red", "green", "blue", "yellow")
"""Channels of stored fields, in their order."""
KERNELS, BIAS = "patch_embed.proj.weight", "patch_embed.proj.bias"
ENCODER = "encoder."
"""Prefix of the encoder's tensors in a file of SubCell."""
ENCODER_FILE = "encoder"
"""What the metadata of a file of `puzzlecell convert-encoder` say of its kind."""


def fitted_tokens(source: Mapping[str, Tensor], backbone: nn.Module, name: str) -> dict[str, Tensor]:
    """Return the tensors of a vision transformer under timm's names, with positions and patches of its sizes.

    A norm that timm applies after pooling is used before it. Raises NetworkError if the tensors that are to be
    interpolated do not have the right number of axes, and for blocks that the backbone does not have.
    """
    for key, axes in ((KERNELS, 4), ("pos_embed", 3)):
        if key in source and source[key].ndim != axes:
            raise NetworkError(f"{key} has the shape {tuple(source[key].shape)}, expected {axes} axes")
    module: Any = importlib.import_module(timm.models.model_entrypoint(name).__module__)
    if not hasattr(module, "checkpoint_filter_fn"):
        module = importlib.import_module("timm.models.vision_transformer")
    expected = backbone.state_dict()
    # DeiT III names its layer scale as a tensor of the block.
    scaled = "blocks.0.gamma_1" in source and "blocks.0.ls1.gamma" in expected
    options = {"adapt_layer_scale": True} if scaled else {}
    try:
        found = module.checkpoint_filter_fn(dict(source), backbone, **options)
    except (RuntimeError, ValueError, KeyError, AttributeError, IndexError) as error:
        raise NetworkError(f"not the weights of a {name}: {' '.join(str(error).split())[:300]}") from error
    for kind in ("weight", "bias"):
        if f"norm.{kind}" in expected and f"norm.{kind}" not in found and f"fc_norm.{kind}" in found:
            found[f"norm.{kind}"] = found[f"fc_norm.{kind}"]
    foreign = [key for key in found if key.startswith("blocks.") and key not in expected]
    if foreign:
        raise NetworkError(
            f"{foreign[0]} is no part of a {name}, nor are {len(foreign) - 1} other tensors of its blocks; are these "
            "the weights of another network?"
        )
    return found


def read_encoder(path: str | os.PathLike, mean: Sequence[float], std: Sequence[float]) -> dict[str, Tensor]:
    """Read the tensors of a backbone from a safetensors file of timm, or of one of the commands that convert one.

    mean, std: of the normalised fields that the backbone sees. Raises NetworkError for any other file, and
    DamagedFileError for a converted one that has changed since.
    """
    kind = (stated_metadata(path) or {}).get("kind")
    if kind == SUBCELL:
        return subcell_encoder(path, mean, std)
    if kind == ENCODER_FILE:
        checked_metadata(path, "encoder", "convert-encoder", "convert it again")
    return read_safetensors(path)


def subcell_encoder(
    path: str | os.PathLike, mean: Sequence[float], std: Sequence[float]
) -> dict[str, Tensor]:
    """Return the encoder in a file of `puzzlecell convert-subcell`, for normalised RGBY fields, by timm's names.

    SubCell sees intensities x in [0, 1], a backbone z = (x - mean) / std: the kernels of the patches are multiplied by
    std, and their sums over mean added to the bias, so that the tokens are the same. A channel that the variant lacks
    gets the mean of the kernels of the others. Raises the errors of `read_subcell_file`.
    """
    layout = read_subcell_file(path)
    state = {
        name.removeprefix(ENCODER): tensor
        for name, tensor in load_file(path).items()
        if name.startswith(ENCODER)
    }
    kernels = reordered(state[KERNELS], VARIANTS[layout.channels])
    state[BIAS] = state[BIAS] + torch.einsum("ochw,c->o", kernels, torch.tensor(mean))
    state[KERNELS] = kernels * torch.tensor(std).view(1, -1, 1, 1)
    return state


def reordered(kernels: Tensor, channels: Sequence[str]) -> Tensor:
    """Kernels (O, 4, k, k) for RGBY of kernels (O, n, k, k) for the named channels; absent ones get their mean."""
    mean = kernels.mean(1)
    return torch.stack(
        [kernels[:, channels.index(name)] if name in channels else mean for name in RGBY], dim=1
    )
