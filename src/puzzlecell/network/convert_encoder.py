"""Conversion of published encoders, such as Cell-DINO's, to starting weights: safetensors under timm's names.

DINOv2 writes its blocks as `blocks.<n>` or, trained in chunks, as `blocks.<chunk>.<n>`, where n counts through all
blocks; checkpoints of its training have the encoder under `backbone.`, beside other parts.
"""

import json
import os
import re
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from safetensors.torch import save as as_safetensors
from torch import Tensor

from puzzlecell.config.network import NetworkSettings
from puzzlecell.network.backbone import near_names, timm_backbone
from puzzlecell.network.encoder_weights import ENCODER_FILE, KERNELS, RGBY, fitted_tokens, reordered
from puzzlecell.network.foreign_weights import (
    is_safetensors,
    read_safetensors,
    read_state_dict,
    weights_file_problem,
)
from puzzlecell.network.network_file import METADATA, NetworkError
from puzzlecell.network.pretrained import fitted_state
from puzzlecell.network.token_maps import is_token_model
from puzzlecell.runtime.atomic import written_whole
from puzzlecell.runtime.checksums import EMPTY_MARK, sealed

PREFIXES = ("module.", "teacher.", "backbone.")
_CHUNKED = re.compile(r"blocks\.\d+\.(\d+)\.(?=\D)")


def convert_encoder(
    source: str | os.PathLike,
    target: str | os.PathLike,
    backbone: str,
    channels: Sequence[str] | None = None,
) -> int:
    """Convert the encoder in `source` to a file for `network.pretrained`; return its number of tensors.

    source: a PyTorch state dict or safetensors. backbone: a vision transformer of timm or ours. channels: what the four
    input channels of the encoder show, in their order; None for an encoder of RGB images, whose kernels stay as they
    are. Raises NetworkError naming the file and the first tensor that does not fit.
    """
    tensors = encoder_tensors(source)
    if not is_token_model(backbone):
        near = near_names(backbone, tokens=True)
        raise NetworkError(
            f"--backbone: {backbone!r} is no vision transformer that puzzlecell can use"
            + (f"; similar names: {', '.join(near)}" if near else "")
        )
    network = timm_backbone(NetworkSettings(backbone=backbone, pretrained=False))
    kernels = tensors.get(KERNELS)
    if kernels is None:
        raise NetworkError(
            f"{source}: there is no tensor {KERNELS}; found {len(tensors)} tensors such as {next(iter(tensors))}. Is "
            "it the checkpoint of a vision transformer under the names of timm or DINOv2?"
        )
    check_channels(source, kernels, channels)
    try:
        found = fitted_tokens(tensors, network, backbone)
    except NetworkError as error:
        raise NetworkError(f"{source}: {error}") from error
    fitted = fitted_state(found, network.state_dict(), f"{source} ({backbone})")
    fitted[KERNELS] = reordered(found[KERNELS], channels) if channels else found[KERNELS]
    metadata = {
        "kind": ENCODER_FILE,
        "backbone": backbone,
        "channels": list(RGBY if channels else RGBY[:3]),
        "converted_from": Path(source).name,
        "versions": {name: version(name) for name in ("puzzlecell", "torch", "timm")},
        "checksum": EMPTY_MARK,
    }
    content = sealed(
        as_safetensors(
            {name: tensor.float().contiguous() for name, tensor in fitted.items()},
            {METADATA: json.dumps(metadata)},
        )
    )
    with written_whole(target) as temporary:
        temporary.write_bytes(content)
    return len(fitted)


def encoder_tensors(source: str | os.PathLike) -> dict[str, Tensor]:
    """Read the tensors of an encoder under the names of its blocks, without prefixes and chunks.

    Raises NetworkError for a file that is no checkpoint, and for two tensors of one name.
    """
    problem = weights_file_problem(source, "checkpoint")
    if problem:
        raise NetworkError(f"{source}: {problem}")
    state: Mapping[str, Tensor] = (
        read_safetensors(source) if is_safetensors(source) else read_state_dict(source)
    )
    for prefix in PREFIXES:
        inside = {
            name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)
        }
        state = inside or state
    found: dict[str, Tensor] = {}
    for name, tensor in state.items():
        plain = _CHUNKED.sub(r"blocks.\1.", name)
        if plain in found:
            raise NetworkError(
                f"{source}: {name} would be a second {plain}; expected blocks that are numbered through all chunks"
            )
        found[plain] = tensor
    return found


def check_channels(source: str | os.PathLike, kernels: Tensor, channels: Sequence[str] | None) -> None:
    """Raise NetworkError unless the names of the channels fit the kernels (O, n, k, k) of the patches."""
    count = kernels.shape[1] if kernels.ndim == 4 else 0
    if count not in (3, 4):
        raise NetworkError(
            f"{source}: {KERNELS} has the shape {tuple(kernels.shape)}; expected (width, 4, patch, patch), or 3 in "
            "place of 4 for an encoder of RGB images"
        )
    if count == 3 and channels:
        raise NetworkError(
            f"{source}: an encoder of 3 channels, which are taken for red, green and blue; leave out --channels"
        )
    if count == 4 and (channels is None or sorted(channels) != sorted(RGBY)):
        raise NetworkError(
            f"{source}: an encoder of 4 channels; say with --channels in which order it was trained on them, such as "
            f"{','.join(RGBY)}" + (f"; found {','.join(channels)}" if channels else "")
        )
