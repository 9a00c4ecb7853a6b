"""Backbones: timm models without pooling and classifier, with four input channels and a chosen output stride."""

import difflib
from typing import Any

import torch
from torch import Tensor, nn

from puzzlecell.config.network import NetworkSettings
from puzzlecell.network._timm import timm
from puzzlecell.runtime.errors import UserError

INPUT_CHANNELS = 4
PROBE = 64
SUITABLE = "Choose a convolutional network, such as seresnext50_32x4d, regnety_064 or resnet18"


class NetworkError(UserError):
    """A network cannot be built or its weights cannot be loaded; the message says what to change."""


def make_backbone(settings: NetworkSettings) -> nn.Module:
    """Build a timm model without pooling and classifier, randomly initialised, with the requested output stride.

    Raises NetworkError naming similar backbones if the name is unknown, and the available strides if the requested one
    is not among them.
    """
    if not timm.is_model(settings.backbone):
        near = near_names(settings.backbone)
        raise NetworkError(
            f"network.backbone: timm {timm.__version__} has no {settings.backbone!r}"
            + (f"; similar names: {', '.join(near)}" if near else "")
        )
    dilated = settings.stride_by == "dilate" and settings.output_stride < 32
    try:
        # timm drops options that are None, so that backbones without these options can be built.
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
    """Return up to five names of timm models similar to `name`: first those that contain it, then similar spellings."""
    name = name.split(".")[0].lower()
    known = timm.list_models()
    containing = sorted((other for other in known if name in other), key=len)
    return list(dict.fromkeys(containing[:3] + difflib.get_close_matches(name, known, n=5, cutoff=0.5)))[:5]


def cut_backbone(backbone: nn.Module, settings: NetworkSettings) -> None:
    """Remove, in place, the stages after the last one with the requested output stride.

    Raises NetworkError naming the available strides if the backbone cannot be cut there.
    """
    strides = [stage["reduction"] for stage in getattr(backbone, "feature_info", [])]
    prune = getattr(backbone, "prune_intermediate_layers", None)
    if settings.output_stride not in strides or prune is None:
        raise NetworkError(
            f"network.output_stride: {settings.backbone} cannot be cut at stride {settings.output_stride}; "
            f"the strides of its stages are {', '.join(map(str, strides)) or 'unknown'}"
        )
    last = len(strides) - 1 - strides[::-1].index(settings.output_stride)
    prune([last], prune_norm=True, prune_head=True)


def backbone_features(backbone: nn.Module, images: Tensor) -> Tensor:
    """Feature map of a backbone: (B, features, h, w), or (B, h, w, features) for channels-last backbones."""
    # To a type checker, attributes of a module are tensors or modules.
    forward_features: Any = backbone.forward_features
    return forward_features(images)


def feature_layout(backbone: nn.Module, settings: NetworkSettings) -> tuple[int, bool]:
    """Return the number of features of a backbone's map, and whether they are its last axis (else the second).

    Raises NetworkError unless the map has the requested stride for two different input sizes.
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
                f"its features have the shape {shape[1:]}; expected (features, {expected[0]}, {expected[1]}) "
                f"at network.output_stride {stride}. {SUITABLE}"
            )
    return layouts.pop()


def feature_shape(backbone: nn.Module, name: str, height: int, width: int) -> tuple[int, ...]:
    """Shape of the backbone's features for one input; the training mode of the backbone is restored."""
    training = backbone.training
    backbone.eval()
    try:
        with torch.no_grad():
            features = backbone_features(backbone, torch.zeros(1, INPUT_CHANNELS, height, width))
    except (RuntimeError, AssertionError, ValueError) as error:
        raise NetworkError(
            f"network.backbone: {name} is not suitable: it does not accept an input of {height} x {width}: "
            f"{error}. {SUITABLE}"
        ) from error
    finally:
        backbone.train(training)
    return tuple(features.shape) if isinstance(features, Tensor) else ()
