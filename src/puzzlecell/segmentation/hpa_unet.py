"""Network of the HPA segmenter: a U-Net with a DPN-92 encoder, based on timm's `dpn92`.

Architecture and names of the published weights: package hpacellseg (CellProfiling/HPA-Cell-Segmentation), class
DPNUnet.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from puzzlecell.network._timm import timm

SIDES_DIVIDE_BY = 32
CLASSES = 3
MEAN = (124 / 255, 117 / 255, 104 / 255)
STD = 1 / (0.0167 * 255)

# Blocks of timm's encoder in each stage; each stage starts by halving the resolution.
_STAGES = (("conv1_1",), ("conv1_pool", "conv2_"), ("conv3_",), ("conv4_",), ("conv5_",))


class HpaUnet(nn.Module):
    """Logits of background, border and object: (B, 3, H, W) in [0, 1] -> (B, 3, H, W); H and W divisible by 32.

    encoder: a timm DPN; None builds `dpn92`.
    """

    mean: Tensor

    def __init__(self, encoder: nn.Module | None = None):
        super().__init__()
        if encoder is None:
            encoder = timm.create_model("dpn92", pretrained=False, num_classes=0)
        blocks = dict(encoder.get_submodule("features").named_children())
        stages = [
            nn.Sequential(*(block for name, block in blocks.items() if name.startswith(names)))
            for names in _STAGES
        ]
        self.stages = nn.ModuleList(stages)
        widths = _widths(stages)
        self.upward = nn.ModuleList(_Up(deep, shallow) for shallow, deep in pairwise(widths))
        self.last = nn.Conv2d(widths[0], widths[0], 3, padding=1)
        self.final = nn.Conv2d(widths[0], CLASSES, 3, padding=1)
        self.register_buffer("mean", self.channel_means(), persistent=False)

    @staticmethod
    def channel_means() -> Tensor:
        """Return the means subtracted from the input before division by `STD`: (1, 3, 1, 1) float32."""
        return torch.tensor(MEAN, device="cpu").view(1, 3, 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor | tuple[Tensor, ...] = (images - self.mean) / STD
        skips = []
        for stage in self.stages:
            features = stage(features)
            skips.append(torch.cat(features, 1) if isinstance(features, tuple) else features)
        decoded = skips.pop()
        for up in reversed(self.upward):
            decoded = up(decoded, skips.pop())
        return self.final(torch.relu(self.last(_twice(decoded))))


class _Up(nn.Module):
    """Decoder stage: upsample by 2, reduce to the skip connection's channels, merge with the skip connection."""

    def __init__(self, deep: int, shallow: int):
        super().__init__()
        self.narrow = nn.Conv2d(deep, shallow, 3, padding=1)
        self.join = nn.Conv2d(2 * shallow, shallow, 3, padding=1)

    def forward(self, deep: Tensor, skip: Tensor) -> Tensor:
        narrowed = torch.relu(self.narrow(_twice(deep)))
        return torch.relu(self.join(torch.cat([narrowed, skip], 1)))


def _twice(features: Tensor) -> Tensor:
    return nn.functional.interpolate(features, scale_factor=2, mode="nearest")


def _widths(stages: list[nn.Sequential]) -> list[int]:
    """Return the output channels of each stage; a dual path is as wide as the batch normalisation that follows it."""
    widths = [len(stages[0][0].get_parameter("conv.weight"))]
    for stage, following in zip(stages[1:], [*stages[2:], None], strict=True):
        if following is None:
            widths.append(len(stage[-1].get_parameter("bn.weight")))
        else:
            widths.append(len(following[0].get_parameter("c1x1_a.bn.weight")))
    return widths


def published_names(network: HpaUnet) -> dict[str, str]:
    """Return a dict from each tensor name of the network to its name in the published weights."""
    return {name: _published_name(name) for name in network.state_dict()}


def _published_name(name: str) -> str:
    part, _, rest = name.partition(".")
    if part == "stages":
        stage, block, rest = rest.split(".", 2)
        if stage == "0":
            layer, rest = rest.split(".", 1)
            return f"encoder_stages.0.{('conv', 'bn').index(layer)}.{rest}"
        return f"encoder_stages.{stage}.{block}.{rest}"
    if part == "upward":
        level, layer, rest = rest.split(".", 2)
        if layer == "narrow":
            return f"decoder_stages.{level}.layer.1.{rest}"
        return f"bottlenecks.{3 - int(level)}.seq.0.{rest}"
    return {"last": "last_upsample.layer.1", "final": "final.0"}[part] + f".{rest}"
