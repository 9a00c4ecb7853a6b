"""Fields from the store as the network takes them: uint8 RGBY, channels last, with labels and position."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from puzzlecell.data.fields import sized_field
from puzzlecell.data.store import ShardReader
from puzzlecell.training.augment import Augmenter


@dataclass
class Batch:
    """Fields of one step: images (B, H, W, 4) uint8, labels (B, C) float32, rows (B,) int64 of the table."""

    images: Tensor
    labels: Tensor
    rows: Tensor

    def pin_memory(self) -> "Batch":
        """The same batch in memory from which a GPU can copy while it computes."""
        return Batch(self.images.pin_memory(), self.labels.pin_memory(), self.rows.pin_memory())


class TrainingFields(Dataset):
    """Augmented crops, by (epoch, position in the epoch, row)."""

    def __init__(
        self,
        reader: ShardReader,
        ids: Sequence[str],
        labels: np.ndarray,
        field_size: int,
        augmenter: Augmenter,
    ):
        self.reader, self.ids, self.labels = reader, list(ids), labels.astype(np.float32)
        self.field_size, self.augmenter = field_size, augmenter

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, place: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray, int]:
        epoch, position, row = place
        field = sized_field(self.reader.read(self.ids[row]), self.field_size)
        return self.augmenter(field, epoch, position), self.labels[row], row


class WholeFields(Dataset):
    """Whole fields without augmentation, by row."""

    def __init__(self, reader: ShardReader, ids: Sequence[str], labels: np.ndarray, field_size: int):
        self.reader, self.ids, self.labels = reader, list(ids), labels.astype(np.float32)
        self.field_size = field_size

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, row: int) -> tuple[np.ndarray, np.ndarray, int]:
        return sized_field(self.reader.read(self.ids[row]), self.field_size), self.labels[row], row


def collate(samples: Iterable[tuple[np.ndarray, np.ndarray, int]]) -> Batch:
    """Samples as one batch; images stay uint8 and channels last, a quarter of what float32 would take."""
    images, labels, rows = zip(*samples, strict=True)
    return Batch(
        torch.from_numpy(np.stack(images)),
        torch.from_numpy(np.stack(labels)),
        torch.tensor(rows, dtype=torch.int64),
    )
