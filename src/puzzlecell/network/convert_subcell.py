"""Conversion of SubCell's published checkpoints: the same tensors under other names, in one file.

A published network is a PyTorch state dict of the encoder and the pooling, named as in transformers' ViTModel, and one
or more of classifiers.
"""

import logging
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from puzzlecell.network.foreign_weights import read_state_dict
from puzzlecell.network.network_file import NetworkError
from puzzlecell.network.subcell import HEAD, SubCell, save_subcell
from puzzlecell.network.subcell_file import LOCATIONS, VARIANTS, SubCellLayout

log = logging.getLogger(__name__)

_LAYER = "encoder.encoder.layer.{}."
_BLOCK = {
    "layernorm_before": "norm1",
    "attention.output.dense": "attn.proj",
    "layernorm_after": "norm2",
    "intermediate.dense": "mlp.fc1",
    "output.dense": "mlp.fc2",
}
# In the checkpoint, a dropout stands before each layer of the pooling, and between those of a classifier.
_POOL = {"attention_v": "value", "attention_u": "gate"}
_CLASSIFIER = {"0": "0", "3": "2", "6": "4"}


def convert_subcell(
    encoder: str | os.PathLike,
    classifiers: Sequence[str | os.PathLike],
    target: str | os.PathLike,
    channels: str | None = None,
) -> SubCell:
    """Convert an encoder and its classifiers to one network file, and return the network.

    channels: a key of `VARIANTS`; None: as the number of channels says, which three do not. Only tensors are read; no
    code in the files is run. Raises NetworkError naming the first tensor that does not fit.
    """
    tensors = _Tensors(encoder, read_state_dict(encoder))
    heads = [_Tensors(path, read_state_dict(path)) for path in classifiers]
    layout = _layout(tensors, heads, channels)
    network = SubCell(layout)
    state = _encoder_state(tensors, layout.depth)
    for number, head in enumerate(heads):
        state |= _classifier_state(head, number)
    expected = network.state_dict()
    for name, wanted in expected.items():
        source, path, tensor = state[name]
        if tensor.shape != wanted.shape or not tensor.is_floating_point():
            raise NetworkError(
                f"{path}: {source} has the shape {tuple(tensor.shape)} and type {tensor.dtype}; expected "
                f"{tuple(wanted.shape)}, floating-point numbers"
            )
    network.load_state_dict({name: state[name][2].float() for name in expected})
    tensors.log_unused()
    for head in heads:
        head.log_unused()
    sources = [Path(path).name for path in (encoder, *classifiers)]
    save_subcell(target, network, {"converted_from": sources})
    return network.eval()


class _Tensors:
    """Tensors of a checkpoint, of which it is noted which were used."""

    def __init__(self, path: str | os.PathLike, tensors: Mapping[str, Tensor]):
        self.path, self.tensors = path, tensors
        self.used: set[str] = set()

    def take(self, *names: str) -> tuple[str, str | os.PathLike, Tensor]:
        """Name, file and tensor of the first of these names that is there; NetworkError if none is."""
        for name in names:
            if name in self.tensors:
                self.used.add(name)
                return name, self.path, self.tensors[name]
        found = next(iter(self.tensors))
        raise NetworkError(
            f"{self.path}: there is no tensor {names[0]}; found {len(self.tensors)} tensors such as {found}. Is it "
            "another checkpoint?"
        )

    def log_unused(self) -> None:
        """Say which tensors are not part of the network."""
        unused = [name for name in self.tensors if name not in self.used]
        if unused:
            log.warning(
                "%s: %d tensors are no part of the network and left out, such as %s",
                self.path,
                len(unused),
                unused[0],
            )


def _layout(encoder: _Tensors, heads: Sequence[_Tensors], channels: str | None) -> SubCellLayout:
    """Sizes of the network, as the shapes of some tensors say them; NetworkError if they are no such network."""
    name, path, kernels = encoder.take("encoder.embeddings.patch_embeddings.projection.weight")
    if kernels.ndim != 4 or kernels.shape[1] not in (2, 3, 4) or kernels.shape[2] != kernels.shape[3]:
        raise NetworkError(
            f"{path}: {name} has the shape {tuple(kernels.shape)}; expected (width, channels, patch, patch) with 2 to "
            "4 channels"
        )
    possible = [letters for letters in VARIANTS if len(letters) == kernels.shape[1]]
    if channels is None and len(possible) > 1:
        raise NetworkError(
            f"{path}: a network of {kernels.shape[1]} channels; say which with --channels {' or '.join(possible)}"
        )
    if channels is not None and channels not in possible:
        raise NetworkError(
            f"{path}: a network of {kernels.shape[1]} channels; --channels is {channels}, expected "
            f"{' or '.join(possible)}"
        )
    width, patch = kernels.shape[0], kernels.shape[2]
    if width % HEAD:
        raise NetworkError(f"{path}: {name} is for tokens of {width} numbers; expected a multiple of {HEAD}")
    name, path, positions = encoder.take("encoder.embeddings.position_embeddings")
    side = round((positions.shape[1] - 1) ** 0.5) if positions.ndim == 3 else 0
    if not side or side**2 + 1 != positions.shape[1]:
        raise NetworkError(
            f"{path}: {name} has the shape {tuple(positions.shape)}; expected (1, 1 + side^2, {width})"
        )
    layers = {
        int(found[1])
        for key in encoder.tensors
        if (found := re.match(re.escape(_LAYER).replace(r"\{\}", r"(\d{1,3})"), key))
    }
    if layers != set(range(len(layers))) or not layers:
        raise NetworkError(
            f"{encoder.path}: expected {_LAYER.format(0)}... and so on, found the layers {sorted(layers)}"
        )
    hidden = encoder.take(_LAYER.format(0) + "intermediate.dense.weight")[2].shape[0]
    pool = encoder.take("pool_model.attention.weight")[2].shape
    if not heads:
        raise NetworkError(f"{encoder.path}: no classifiers are given; at least one is required")
    sizes = [
        heads[0].take(f"{source}.weight", f"{index}.weight")[2].shape[0]
        for source, index in _CLASSIFIER.items()
    ]
    if sizes[2] != len(LOCATIONS):
        raise NetworkError(
            f"{heads[0].path}: 6.weight has {sizes[2]} outputs; expected the {len(LOCATIONS)} locations of SubCell"
        )
    return SubCellLayout(
        channels=channels or possible[0],
        image=side * patch,
        patch=patch,
        width=width,
        depth=len(layers),
        mlp=hidden,
        pool_hidden=pool[-1],
        pool_heads=pool[0],
        classifier_hidden=(sizes[0], sizes[1]),
        classifiers=len(heads),
    )


def _encoder_state(given: _Tensors, depth: int) -> dict[str, tuple[str, str | os.PathLike, Tensor]]:
    """The tensors of encoder and pooling, by their names in `SubCell`."""
    state = {
        "encoder.cls_token": given.take("encoder.embeddings.cls_token"),
        "encoder.pos_embed": given.take("encoder.embeddings.position_embeddings"),
    }
    for kind in ("weight", "bias"):
        patch = "encoder.embeddings.patch_embeddings.projection"
        state[f"encoder.patch_embed.proj.{kind}"] = given.take(f"{patch}.{kind}")
        state[f"encoder.norm.{kind}"] = given.take(f"encoder.layernorm.{kind}")
        state[f"pool.score.{kind}"] = given.take(f"pool_model.attention.{kind}")
        for source, name in _POOL.items():
            state[f"pool.{name}.{kind}"] = given.take(
                f"pool_model.{source}.1.{kind}", f"pool_model.{source}.0.{kind}"
            )
        for number in range(depth):
            layer = _LAYER.format(number)
            parts = [
                given.take(f"{layer}attention.attention.{part}.{kind}") for part in ("query", "key", "value")
            ]
            shapes = {tensor.shape for _, _, tensor in parts}
            if len(shapes) > 1:
                raise NetworkError(
                    f"{given.path}: {parts[0][0]} and those of key and value have unlike shapes"
                )
            joined = torch.cat([tensor for _, _, tensor in parts])
            state[f"encoder.blocks.{number}.attn.qkv.{kind}"] = (*parts[0][:2], joined)
            for source, name in _BLOCK.items():
                state[f"encoder.blocks.{number}.{name}.{kind}"] = given.take(f"{layer}{source}.{kind}")
    return state


def _classifier_state(given: _Tensors, number: int) -> dict[str, tuple[str, str | os.PathLike, Tensor]]:
    """The tensors of a classifier, by their names in `SubCell`."""
    return {
        f"classifiers.{number}.{index}.{kind}": given.take(f"{source}.{kind}", f"{index}.{kind}")
        for source, index in _CLASSIFIER.items()
        for kind in ("weight", "bias")
    }
