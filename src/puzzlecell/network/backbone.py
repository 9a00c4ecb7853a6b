"""Backbones: timm models without pooling and classifier, with four input channels and a chosen output stride."""

import difflib
from typing import Any

import torch
from torch import Tensor, nn

from puzzlecell.config.network import NetworkSettings
from puzzlecell.network._timm import timm
from puzzlecell.network.network_file import NetworkError
from puzzlecell.network.token_maps import check_patches, is_token_model, patch_side, token_map

INPUT_CHANNELS = 4
PROBE = 64
SUITABLE = (
    "Choose a convolutional network, such as seresnext50_32x4d, regnety_064 or resnet18, or a vision transformer, such "
    "as vit_small_patch16_224"
)


def make_backbone(settings: NetworkSettings) -> nn.Module:
    """Build a timm model without pooling and classifier, randomly initialised, with the requested output stride.

    Raises NetworkError naming similar backbones if the name is unknown, and the available strides if the requested one
    is not among them.
    """
    backbone = timm_backbone(settings)
    if is_token_model(settings.backbone):
        check_patches(settings.backbone, patch_side(backbone), settings.output_stride, {})
    elif settings.output_stride < 32 and settings.stride_by == "cut":
        cut_backbone(backbone, settings)
    return backbone


def timm_backbone(settings: NetworkSettings) -> nn.Module:
    """Build a timm model without pooling and classifier, randomly initialised, dilated if configured, but not cut.

    Raises NetworkError naming similar backbones if the name is unknown, and for a model that cannot be built so.
    """
    if not timm.is_model(settings.backbone):
        near = near_names(settings.backbone)
        raise NetworkError(
            f"network.backbone: timm {timm.__version__} has no {settings.backbone!r}"
            + (f"; similar names: {', '.join(near)}" if near else "")
        )
    tokens = is_token_model(settings.backbone)
    dilated = settings.stride_by == "dilate" and settings.output_stride < 32 and not tokens
    try:
        # timm drops options that are None, so that backbones without these options can be built.
        return timm.create_model(
            settings.backbone,
            pretrained=False,
            num_classes=0,
            # A distilled network refuses any other pooling than its own, which is not used here.
            global_pool="token" if tokens and "distilled" in settings.backbone else "",
            in_chans=INPUT_CHANNELS,
            drop_path_rate=settings.drop_path_rate or None,
            output_stride=settings.output_stride if dilated else None,
            dynamic_img_size=tokens or None,
        )
    except (TypeError, RuntimeError, ValueError, AssertionError, NotImplementedError) as error:
        raise NetworkError(
            f"network.backbone: {settings.backbone} cannot be built with {INPUT_CHANNELS} channels"
            + (f" and dilated to output stride {settings.output_stride}" if dilated else "")
            + (f" and drop_path_rate {settings.drop_path_rate}" if settings.drop_path_rate else "")
            + f": {error}"
        ) from error


def near_names(name: str, *, tokens: bool = False) -> list[str]:
    """Return up to five names of timm models similar to `name`: first those that contain it, then similar spellings.

    tokens: only vision transformers.
    """
    name = name.split(".")[0].lower()
    known = [known for known in timm.list_models() if not tokens or is_token_model(known)]
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
    """Feature map of a backbone: (B, features, h, w), or (B, h, w, features) for channels-last backbones.

    images: (B, 4, H, W), normalised. The tokens of a vision transformer become a map of its patches.
    """
    # To a type checker, attributes of a module are tensors or modules.
    given: Any = backbone
    features = given.forward_features(images)
    if getattr(given, "dynamic_img_size", False):
        patch = patch_side(backbone)
        return token_map(
            features, given.num_prefix_tokens, (images.shape[2] // patch, images.shape[3] // patch)
        )
    return features


def feature_layout(backbone: nn.Module, settings: NetworkSettings) -> tuple[int, bool]:
    """Return the number of features of a backbone's map, and whether they are its last axis (else the second).

    Raises NetworkError unless the map has the requested stride for two different input sizes.
    """
    stride = settings.output_stride
    layouts = set()
    probe = PROBE // stride * stride
    for height, width in ((probe, probe), (probe, 2 * probe)):
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
