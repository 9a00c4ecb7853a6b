"""The network: a timm backbone and a 1 x 1 convolution whose output is the class activation maps.

The logits are the global averages of the maps, so that by construction a map shows where a class was detected (as in
Puzzle-CAM).
"""

import json
import os
from collections.abc import Mapping, Sequence
from importlib.metadata import version

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as as_safetensors
from torch import Tensor, nn

from puzzlecell.config.network import InputSettings, NetworkSettings
from puzzlecell.errors import UserError
from puzzlecell.network.backbone import (
    INPUT_CHANNELS,
    backbone_features,
    feature_layout,
    make_backbone,
)
from puzzlecell.network.network_file import METADATA, NetworkError, model_place, read_network_file
from puzzlecell.network.pretrained import MEAN, STD, pretrained_state
from puzzlecell.network.token_maps import check_patches, is_token_model
from puzzlecell.runtime.atomic import written_whole
from puzzlecell.runtime.checksums import EMPTY_MARK, sealed


class CamNetwork(nn.Module):
    """A backbone and a 1 x 1 convolution without bias: class activation maps, and their means as logits.

    Attributes: `classes` (names in the order of the logits), `field_size` (side to which stored fields are downsampled
    for the network), `crop_size` (side of a training crop), `settings` (of the network).
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, settings: NetworkSettings, classes: Sequence[str], field_size: int, crop_size: int):
        super().__init__()
        self.settings = settings
        self.classes = list(classes)
        self.field_size = field_size
        self.crop_size = crop_size
        self.backbone = make_backbone(settings)
        if is_token_model(settings.backbone):
            sides = {"input.field_size": field_size, "input.crop_size": crop_size}
            check_patches(settings.backbone, settings.output_stride, settings.output_stride, sides)
        self.dropout = nn.Dropout2d(settings.drop_rate)
        features, self.features_last = feature_layout(self.backbone, settings)
        self.classifier = nn.Conv2d(features, len(self.classes), 1, bias=False)
        nn.init.kaiming_normal_(self.classifier.weight)
        scale = 1 / (255 * torch.tensor(STD)).view(1, INPUT_CHANNELS, 1, 1)
        shift = -(torch.tensor(MEAN) / torch.tensor(STD)).view(1, INPUT_CHANNELS, 1, 1)
        self.register_buffer("scale", scale, persistent=False)
        self.register_buffer("shift", shift, persistent=False)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, C) and raw class activation maps (B, C, h, w), both float32.

        images: (B, 4, H, W) RGBY in [0, 255], uint8 or float; they are normalised here, on the device.
        """
        return self.head(self.features(images))

    def features(self, images: Tensor) -> Tensor:
        """Feature map (B, features, h, w) of the backbone for images as in `forward`."""
        features = backbone_features(self.backbone, images * self.scale + self.shift)
        return features.permute(0, 3, 1, 2) if self.features_last else features

    def head(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and maps, as of `forward`, for a feature map of `features`."""
        maps = self.classifier(self.dropout(features)).float()
        return maps.mean((2, 3)), maps


def build_network(
    settings: NetworkSettings, inputs: InputSettings, classes: Sequence[str], pretrained: bool = True
) -> CamNetwork:
    """Build a network as configured; `pretrained=False` skips loading pretrained weights of the backbone."""
    network = CamNetwork(settings, classes, inputs.field_size, inputs.crop_size)
    if pretrained and settings.pretrained is not False:
        network.backbone.load_state_dict(pretrained_state(settings, network.backbone))
    return network


def save_network(
    path: str | os.PathLike, network: CamNetwork, extra_metadata: Mapping[str, object] | None = None
) -> None:
    """Write the tensors of a network as safetensors, with all that `load_network` needs as metadata.

    extra_metadata: further JSON-serialisable values, stored under their names.
    """
    metadata = {
        "network": network.settings.model_dump(mode="json"),
        "classes": network.classes,
        "field_size": network.field_size,
        "crop_size": network.crop_size,
        "versions": {name: version(name) for name in ("puzzlecell", "torch", "timm")},
        **(extra_metadata or {}),
        "place": model_place(path),
        "checksum": EMPTY_MARK,
    }
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    # A single entry, because safetensors writes several entries in an order that changes from run to run.
    content = sealed(as_safetensors(tensors, {METADATA: json.dumps(metadata)}))
    with written_whole(path) as temporary:
        temporary.write_bytes(content)


def load_network(path: str | os.PathLike, device: str | torch.device = "cpu") -> CamNetwork:
    """Load a network written by `save_network` onto `device`, in evaluation mode.

    Raises NetworkError for any other file, and DamagedFileError if the file has changed since it was written.
    """
    metadata = read_network_file(path)
    try:
        network = CamNetwork(
            NetworkSettings(**metadata["network"]),
            metadata["classes"],
            metadata["field_size"],
            metadata["crop_size"],
        )
        tensors = load_file(path)
        network.load_state_dict(tensors)
    except (KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        raise NetworkError(
            f"{path}: not a network that this version of puzzlecell can build: {' '.join(str(error).split())[:400]}"
        ) from error
    expected = network.state_dict()
    wrong = [name for name, tensor in tensors.items() if tensor.dtype != expected[name].dtype]
    if wrong:
        raise NetworkError(
            f"{path}: {wrong[0]} is {tensors[wrong[0]].dtype}, expected {expected[wrong[0]].dtype}"
        )
    return network.to(device).eval()


def ready_network_problem(path: str | os.PathLike) -> str | None:
    """Return why a network cannot be used as it is, apart from its classes and sizes; None if it can."""
    try:
        network = load_network(path)
    except UserError as error:
        return str(error)
    poor = [name for name, tensor in network.state_dict().items() if not bool(torch.isfinite(tensor).all())]
    return f"{path}: {poor[0]} has values that are not finite; get or convert it again" if poor else None
