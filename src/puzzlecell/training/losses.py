"""The combined loss: classification of field and merged tiles, and the difference of their maps."""

from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812  (the name everybody knows)
from torch import Tensor

from puzzlecell.config.training import LossSettings
from puzzlecell.network.puzzle import PuzzleOutput


class LossParts(NamedTuple):
    """Loss of each field (B,) and its three parts before weighting, each (B,); absent parts are zero."""

    total: Tensor
    full: Tensor
    tiles: Tensor
    consistency: Tensor


class ComboLoss:
    """alpha L(full logits) + beta L(merged-tile logits) + gamma mean |full maps - merged-tile maps|, field by
    field.

    The mean over a batch of equal fields is the loss of the batch. L is binary cross-entropy or focal loss,
    both with labels anywhere in [0, 1].
    """

    def __init__(self, settings: LossSettings):
        self.settings = settings

    def gamma(self, progress: float) -> float:
        """Weight of the maps' difference at a share `progress` (0 to 1) of all steps, ramped linearly."""
        ramp = self.settings.gamma_ramp
        return self.settings.gamma * (min(1.0, progress / ramp) if ramp > 0 else 1.0)

    def __call__(self, output: PuzzleOutput, labels: Tensor, progress: float = 1.0) -> LossParts:
        """labels: (B, C) float in [0, 1]."""
        smoothing = self.settings.label_smoothing
        labels = labels * (1 - smoothing) + smoothing / 2
        full = self.classification(output.logits, labels)
        total = self.settings.alpha * full
        tiles = consistency = torch.zeros_like(full)
        if output.tile_logits is not None and output.tile_maps is not None:
            tiles = self.classification(output.tile_logits, labels)
            consistency = (output.maps - output.tile_maps).abs().mean((1, 2, 3))
            total = total + self.settings.beta * tiles + self.gamma(progress) * consistency
        return LossParts(total, full, tiles, consistency)

    def classification(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Mean over the classes of the loss of each field: (B, C), (B, C) -> (B,)."""
        loss = F.binary_cross_entropy_with_logits(logits, labels, reduction="none")
        if self.settings.kind == "focal":
            loss = loss * self.focal_weight(logits, labels)
        return loss.mean(1)

    def focal_weight(self, logits: Tensor, labels: Tensor) -> Tensor:
        """|label - probability|^gamma, the (1 - p_t)^gamma of Lin et al. 2017 carried over to soft labels.

        With `focal_alpha` times alpha for what is there and 1 - alpha for what is not, mixed for soft labels.
        """
        weight = (labels - logits.sigmoid()).abs() ** self.settings.focal_gamma
        alpha = self.settings.focal_alpha
        return weight if alpha is None else weight * (alpha * labels + (1 - alpha) * (1 - labels))
