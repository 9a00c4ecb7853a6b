"""Conversion of published checkpoints of the method: the same tensors under other names.

Published checkpoints are PyTorch state dicts of the siamese module, saved with timm 0.4: `cnn1.mfeatures.<timm name>`
for the backbone, and `cnn1.mclassifier.weight`.
"""

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

from puzzlecell.config.network import InputSettings, NetworkSettings
from puzzlecell.network.cam_network import CamNetwork, build_network, save_network
from puzzlecell.network.foreign_weights import read_state_dict
from puzzlecell.network.network_file import NetworkError
from puzzlecell.runtime.messages import first_few

log = logging.getLogger(__name__)

PREFIXES = ("module.", "cnn1.")
BACKBONE, CLASSIFIER = "mfeatures.", "mclassifier.weight"


def convert_checkpoint(
    source: str | os.PathLike,
    target: str | os.PathLike,
    settings: NetworkSettings,
    inputs: InputSettings,
    classes: Sequence[str],
) -> CamNetwork:
    """Convert the published checkpoint `source` to the network file `target`, and return the network.

    settings: with the backbone of the checkpoint; `pretrained` is not used. classes: names in the order of the
    checkpoint's logits. Raises NetworkError if the file does not contain such a checkpoint.
    """
    published = read_checkpoint(source)
    network = build_network(settings, inputs, classes, pretrained=False)
    found, expected = published.pop(CLASSIFIER), network.classifier.weight
    if found.ndim != 4 or found.shape[2:] != (1, 1) or not found.is_floating_point():
        raise NetworkError(
            f"{source}: {CLASSIFIER} has the shape {tuple(found.shape)} and type {found.dtype}; expected a classifier "
            f"of the shape {tuple(expected.shape)}, of floating-point numbers"
        )
    if found.shape != expected.shape:
        raise NetworkError(
            f"{source}: found a classifier of {found.shape[0]} classes from {found.shape[1]} features; expected "
            f"{expected.shape[0]} classes as listed, and {settings.backbone} has {expected.shape[1]} features"
        )
    backbone = renamed(published, network.backbone.state_dict(), f"{source} ({settings.backbone})")
    network.backbone.load_state_dict(backbone)
    network.classifier.load_state_dict({"weight": found.float()})
    save_network(target, network, {"converted_from": Path(source).name})
    return network.eval()


def read_checkpoint(path: str | os.PathLike) -> dict[str, Tensor]:
    """Read the tensors of a published checkpoint: the backbone's under timm's names, and `mclassifier.weight`.

    Raises NetworkError for a file that `read_state_dict` refuses, and for other names.
    """
    state = read_state_dict(path)
    tensors = {}
    for name, tensor in state.items():
        for prefix in PREFIXES:
            name = name.removeprefix(prefix)
        tensors[name] = tensor
    unknown = [name for name in tensors if not name.startswith(BACKBONE) and name != CLASSIFIER]
    if CLASSIFIER not in tensors or unknown:
        raise NetworkError(
            f"{path}: expected names such as cnn1.mfeatures.conv1.weight and cnn1.mclassifier.weight, "
            f"found {first_few(state, 3)}"
        )
    return {name.removeprefix(BACKBONE): tensor for name, tensor in tensors.items()}


def renamed(
    source: Mapping[str, Tensor], target: Mapping[str, Tensor], source_name: str
) -> dict[str, Tensor]:
    """Return the tensors of `source` under the names of `target`, matched by name, or all by position if names differ.

    Raises NetworkError if the number, the shapes or the types of the tensors do not match.
    """
    if source.keys() != target.keys():
        shapes = [[tuple(tensor.shape) for tensor in state.values()] for state in (source, target)]
        if shapes[0] != shapes[1]:
            absent = [name for name in target if name not in source] or list(source)
            raise NetworkError(
                f"{source_name}: found {len(source)} tensors of the backbone, expected {len(target)}, such as "
                f"{absent[0]}; is it another backbone?"
            )
        log.info(
            "%s: tensor names differ, but order and shapes agree; tensors are matched by position",
            source_name,
        )
        source = dict(zip(target, source.values(), strict=True))
    wrong = [name for name in target if source[name].shape != target[name].shape]
    if wrong:
        raise NetworkError(
            f"{source_name}: {wrong[0]} has the shape {tuple(source[wrong[0]].shape)}, expected "
            f"{tuple(target[wrong[0]].shape)}; is it another backbone?"
        )
    mixed = [n for n in target if source[n].is_floating_point() != target[n].is_floating_point()]
    if mixed:
        raise NetworkError(
            f"{source_name}: {mixed[0]} has the type {source[mixed[0]].dtype}, expected {target[mixed[0]].dtype}"
        )
    return {name: source[name].to(target[name].dtype) for name in target}
