"""A frozen backbone: the classifier alone, applied to features that were computed before."""

import numpy as np
import torch
import xxhash
from torch import Tensor, nn

from puzzlecell.config.training import TrainingSettings
from puzzlecell.network.cam_network import CamNetwork
from puzzlecell.network.puzzle import PuzzleOutput


class HeadNetwork(nn.Module):
    """The classifier of a network, applied to feature maps of its backbone, which neither changes nor computes."""

    def __init__(self, network: CamNetwork):
        super().__init__()
        self.network = network
        network.backbone.requires_grad_(False)

    def train(self, mode: bool = True) -> "HeadNetwork":
        """Set the training mode of all but the backbone, which stays in evaluation mode."""
        super().train(mode)
        self.network.backbone.eval()
        return self

    def forward(self, features: Tensor, tiles: bool = True) -> PuzzleOutput:
        """Logits and maps for features (B, D, h, w) of any float type; there is no pass over tiles."""
        return PuzzleOutput(*self.network.head(features.float()), None, None)


def encoder_digest(network: CamNetwork) -> str:
    """32 hex digits of all that the features of a field depend on: tensors of the backbone, its strides, field size."""
    settings = network.settings
    digest = xxhash.xxh3_128(
        f"{settings.backbone} {settings.output_stride} {settings.stride_by} {network.field_size}".encode()
    )
    for name, tensor in sorted(network.backbone.state_dict().items()):
        digest.update(f"\n{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
        digest.update(np.atleast_1d(tensor.detach().cpu().contiguous().numpy()).data)
    return digest.hexdigest()


def feature_shape(settings: TrainingSettings) -> tuple[int, int, int]:
    """Shape (D, h, w) of the features of a field, without computing any; raises NetworkError."""
    side = settings.input.field_size
    with torch.device("meta"), torch.no_grad():
        network = CamNetwork(settings.network, ["-"], side, settings.input.crop_size).eval()
        shape = network.features(torch.zeros(1, 4, side, side)).shape
    return shape[1], shape[2], shape[3]
