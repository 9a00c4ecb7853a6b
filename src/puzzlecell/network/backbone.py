"""Backbones: timm networks without pooling and classifier, four input channels, a chosen output stride."""

import difflib
from typing import Any

import torch
from torch import Tensor, nn

from puzzlecell.config.network import NetworkSettings
from puzzlecell.network._timm import timm

INPUT_CHANNELS = 4
PROBE = 64
SUITABLE = "Choose a convolutional network, such as seresnext50_32x4d, regnety_064 or resnet18"


class NetworkError(ValueError):
    """A network that cannot be built or weights that cannot be loaded; the message says what to change."""


def make_backbone(settings: NetworkSettings) -> nn.Module:
    """A timm network without pooling and classifier, from scratch, with the asked output stride.

    Raises NetworkError naming near backbones where the name is unknown, and the strides to be had where the
    asked one is none of them.
    """
    if not timm.is_model(settings.backbone):
        near = near_names(settings.backbone)
        raise NetworkError(
            f"network.backbone: timm {timm.__version__} has no {settings.backbone!r}"
            + (f"; near names: {', '.join(near)}" if near else "")
        )
    dilated = settings.stride_by == "dilate" and settings.output_stride < 32
    try:
        # timm drops options that are None, which not every backbone knows.
        backbone = timm.create_model(
            settings.backbone,
            pretrained=False,
            num_classes=0,
            global_pool="",
            in_chans=INPUT_CHANNELS,
            drop_path_rate=settings.drop_path_rate or None,
            output_stride=settings.output_stride if dilated else None,
        )
    except (TypeError, RuntimeError, ValueError, AssertionError, NotImplementedError) as error:
        raise NetworkError(
            f"network.backbone: {settings.backbone} cannot be built with {INPUT_CHANNELS} channels"
            + (f" and dilated to output stride {settings.output_stride}" if dilated else "")
            + (f" and drop_path_rate {settings.drop_path_rate}" if settings.drop_path_rate else "")
            + f": {error}"
        ) from error
    if settings.output_stride < 32 and not dilated:
        cut_backbone(backbone, settings)
    return backbone


def near_names(name: str) -> list[str]:
    """Up to five of timm's names like `name`: those that contain it first, then those spelt alike."""
    name = name.split(".")[0].lower()
    known = timm.list_models()
    containing = sorted((other for other in known if name in other), key=len)
    return list(dict.fromkeys(containing[:3] + difflib.get_close_matches(name, known, n=5, cutoff=0.5)))[:5]


def cut_backbone(backbone: nn.Module, settings: NetworkSettings) -> None:
    """Leave out, in place, the stages after the last one whose reduction is the asked output stride."""
    strides = [stage["reduction"] for stage in getattr(backbone, "feature_info", [])]
    prune = getattr(backbone, "prune_intermediate_layers", None)
    if settings.output_stride not in strides or prune is None:
        raise NetworkError(
            f"network.output_stride: {settings.backbone} cannot be cut at stride {settings.output_stride}; "
            f"its stages have the strides {', '.join(map(str, strides)) or 'unknown'}"
        )
    last = len(strides) - 1 - strides[::-1].index(settings.output_stride)
    prune([last], prune_norm=True, prune_head=True)


def backbone_features(backbone: nn.Module, images: Tensor) -> Tensor:
    """What a backbone gives for images: (B, features, h, w), or with the features last."""
    # torch knows of a module's attributes only that they are tensors or modules.
    forward_features: Any = backbone.forward_features
    return forward_features(images)


def feature_layout(backbone: nn.Module, settings: NetworkSettings) -> tuple[int, bool]:
    """Number of features of a backbone's map, and whether they are its last axis or (mostly) its second.

    Raises NetworkError unless the backbone gives a map of the asked stride at two sizes of input.
    """
    stride = settings.output_stride
    layouts = set()
    for height, width in ((PROBE, PROBE), (PROBE, 2 * PROBE)):
        shape = feature_shape(backbone, settings.backbone, height, width)
        expected = (height // stride, width // stride)
        if len(shape) == 4 and shape[2:] == expected:
            layouts.add((shape[1], False))
        elif len(shape) == 4 and shape[1:3] == expected:
            layouts.add((shape[3], True))
        else:
            raise NetworkError(
                f"network.backbone: {settings.backbone} is not suitable: for an input of {height} x {width} "
                f"its features have the shape {shape[1:]} where (features, {expected[0]}, {expected[1]}) is "
                f"needed at network.output_stride {stride}. {SUITABLE}"
            )
    return layouts.pop()


def feature_shape(backbone: nn.Module, name: str, height: int, width: int) -> tuple[int, ...]:
    """Shape of the backbone's features for one input; the backbone's mode is left as it was."""
    training = backbone.training
    backbone.eval()
    try:
        with torch.no_grad():
            features = backbone_features(backbone, torch.zeros(1, INPUT_CHANNELS, height, width))
    except (RuntimeError, AssertionError, ValueError) as error:
        raise NetworkError(
            f"network.backbone: {name} is not suitable, it does not take an input of {height} x {width}: "
            f"{error}. {SUITABLE}"
        ) from error
    finally:
        backbone.train(training)
    return tuple(features.shape) if isinstance(features, Tensor) else ()
