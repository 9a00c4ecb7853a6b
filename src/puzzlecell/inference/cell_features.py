"""Feature maps of a network, pooled under cells."""

import os
from collections.abc import Sequence

import numpy as np
import torch

from puzzlecell.data.label_images import nearest_index
from puzzlecell.errors import UserError
from puzzlecell.network.cam_network import CamNetwork


def feature_maps(
    network: CamNetwork, images: np.ndarray, device: str, *, precision: str = "float32"
) -> np.ndarray:
    """Feature maps (B, features, h, w) float32 of images (B, H, W, 4) uint8 RGBY.

    precision: `float32`, or `bf16` for mixed precision.
    """
    batch = torch.from_numpy(np.ascontiguousarray(images)).to(device).permute(0, 3, 1, 2)
    mixed = torch.autocast(torch.device(device).type, torch.bfloat16, enabled=precision == "bf16")
    with torch.inference_mode(), mixed:
        return network.features(batch.contiguous(memory_format=torch.channels_last)).float().cpu().numpy()


def pooled(features: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Means (n, features) of a map (features, h, w) under the n cells of a label image (M, M), in their order.

    A place of the map counts by the share of the cell's pixels that lie in it.
    """
    numbers, index = np.unique(labels, return_inverse=True)
    rows, columns = (
        nearest_index(side, size) for side, size in zip(features.shape[1:], labels.shape, strict=True)
    )
    place = rows[:, None] * features.shape[2] + columns[None, :]
    count = features.shape[1] * features.shape[2]
    shares = np.bincount(index.ravel() * count + place.ravel(), minlength=len(numbers) * count)
    shares = shares.reshape(len(numbers), count)[numbers > 0]
    return (shares / shares.sum(axis=1, keepdims=True)) @ features.reshape(len(features), -1).T


def check_finite(maps: np.ndarray, field_ids: Sequence[str], model: str | os.PathLike) -> None:
    """Raise UserError naming the fields of a batch whose feature maps (B, features, h, w) are not finite."""
    good = np.isfinite(maps).all(axis=(1, 2, 3))
    if not good.all():
        bad = dict.fromkeys(field_id for field_id, fine in zip(field_ids, good, strict=True) if not fine)
        raise UserError(
            f"field {', '.join(bad)}: the features of {model} are not finite; its training diverged: check its "
            "history.csv and retrain with a lower learning rate"
        )
