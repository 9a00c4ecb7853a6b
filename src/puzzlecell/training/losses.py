"""Combined loss: classification of the field and its merged tiles, plus the difference of their maps."""

from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812  (the name everybody knows)
from torch import Tensor

from puzzlecell.config.training import LossSettings
from puzzlecell.network.puzzle import PuzzleOutput


class LossParts(NamedTuple):
    """Loss of each field (B,) and its three unweighted parts, each (B,); absent parts are zero."""

    total: Tensor
    full: Tensor
    tiles: Tensor
    consistency: Tensor


class ComboLoss:
    """Loss per field: alpha L(full logits) + beta L(merged-tile logits) + gamma mean |full maps - merged-tile maps|.

    L is binary cross-entropy or focal loss; both accept soft labels in [0, 1]. The maps are class activation maps. The
    loss of a batch of fields of equal size is the mean over its fields.
    partly: labels may be NaN: the class is then left out of the mean over the classes of that cell.
    """

    def __init__(self, settings: LossSettings, *, partly: bool = False):
        self.settings, self.partly = settings, partly

    def gamma(self, progress: float) -> float:
        """Return the weight of the consistency loss after a fraction `progress` of all steps, ramped up linearly."""
        ramp = self.settings.gamma_ramp
        return self.settings.gamma * (min(1.0, progress / ramp) if ramp > 0 else 1.0)

    def __call__(self, output: PuzzleOutput, labels: Tensor, progress: float = 1.0) -> LossParts:
        """Return the losses of a batch; labels: (B, C) float in [0, 1], progress: completed fraction of all steps.

        With `partly`, each row of labels has at least one number.
        """
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
        """Return the loss of each field, averaged over the classes: (B, C), (B, C) -> (B,)."""
        counted = ~labels.isnan() if self.partly else None
        if counted is not None:
            labels = labels.nan_to_num()
        loss = F.binary_cross_entropy_with_logits(logits, labels, reduction="none")
        if self.settings.kind == "focal":
            loss = loss * self.focal_weight(logits, labels)
        return loss.mean(1) if counted is None else (loss * counted).sum(1) / counted.sum(1)

    def focal_weight(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return |label - probability|^gamma: (1 - p_t)^gamma of Lin et al. 2017, generalised to soft labels.

        With `focal_alpha`, the weight is multiplied by alpha for positive and by 1 - alpha for negative labels, and
        interpolated for soft labels.
        """
        weight = (labels - logits.sigmoid()).abs() ** self.settings.focal_gamma
        alpha = self.settings.focal_alpha
        return weight if alpha is None else weight * (alpha * labels + (1 - alpha) * (1 - labels))
