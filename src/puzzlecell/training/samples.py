"""Samples and batches of a training."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


class Sample(NamedTuple):
    """An image (H, W, 4) uint8, its labels (C,) float32, its row in the data set and the cell's share (H, W) uint8.

    With a frozen backbone, features (D, h, w) float16 take the place of the image.
    """

    image: np.ndarray
    labels: np.ndarray
    row: int
    share: np.ndarray | None = None
    """For each pixel of a crop, how much of it belongs to the cell, 255 for all of it; None for fields."""


@dataclass
class Batch:
    """A batch: images (B, H, W, 4) uint8, labels (B, C) float32 and rows (B,) int64, their data set indices.

    images: features (B, D, h, w) float16 with a frozen backbone.
    shares: (B, H, W) uint8 for crops of cells, None for fields.
    """

    images: Tensor
    labels: Tensor
    rows: Tensor
    shares: Tensor | None = None

    def pin_memory(self) -> "Batch":
        """Return the batch in pinned memory, from which a GPU can copy asynchronously."""
        return Batch(
            self.images.pin_memory(),
            self.labels.pin_memory(),
            self.rows.pin_memory(),
            None if self.shares is None else self.shares.pin_memory(),
        )


def collate(samples: Iterable[Sample]) -> Batch:
    """Stack samples into a batch; images stay channels-last uint8, a quarter of the size of float32."""
    images, labels, rows, shares = zip(*samples, strict=True)
    return Batch(
        torch.from_numpy(np.stack(images)),
        torch.from_numpy(np.stack(labels)),
        torch.tensor(rows, dtype=torch.int64),
        None if shares[0] is None else torch.from_numpy(np.stack(shares)),
    )
