"""Data loaders: batches of stored fields, augmented crops for training and whole fields for validation."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torch.utils.data.dataloader import _MultiProcessingDataLoaderIter

from puzzlecell.config.augmentation import augmentation_settings
from puzzlecell.data.resize import sized_field
from puzzlecell.data.store import ShardReader
from puzzlecell.runtime.messages import first_few
from puzzlecell.runtime.signals import ignore_signals
from puzzlecell.runtime.threads import use_one_thread
from puzzlecell.training.augment import Augmenter
from puzzlecell.training.run import TrainingError, TrainingRun
from puzzlecell.training.sampler import EpochBatches, field_weights


def make_loaders(run: TrainingRun, fabric: Fabric) -> tuple[EpochBatches, DataLoader, DataLoader]:
    """Return the batch sampler and the loaders of the training and validation fields.

    Raises TrainingError if fields of the table are not stored.
    """
    settings, size = run.settings, run.settings.input.field_size
    reader = ShardReader(run.stores)
    absent = [field_id for field_id in run.table["ID"] if field_id not in reader]
    if absent:
        raise TrainingError(
            f"{len(absent)} fields of the table are not in the store, e.g. {first_few(absent, 5)}"
        )
    # Fail now rather than hours later if the stored fields are too small.
    sized_field(reader.read(run.table["ID"].iloc[0]), size)
    held_out = (run.table["fold"] == run.fold).to_numpy()
    ids = run.table["ID"].to_numpy()
    labels = run.table[list(run.classes)].to_numpy(dtype=np.float32)
    augmenter = Augmenter(
        augmentation_settings(settings.augmentation), settings.input.crop_size, settings.seed
    )
    training = TrainingFields(reader, ids[~held_out], labels[~held_out], size, augmenter)
    validation = WholeFields(reader, ids[held_out], labels[held_out], size)
    batches = EpochBatches(
        len(training),
        field_weights(labels[~held_out], settings.sampler),
        settings.samples_per_epoch or len(training),
        settings.batch_size,
        settings.seed,
        parts=settings.optimiser.accumulate,
        rank=fabric.global_rank,
        world=fabric.world_size,
    )
    workers = settings.compute.workers
    if workers is None:
        workers = 0 if fabric.device.type == "cpu" else max(1, run.threads // fabric.world_size - 1)
    common: dict[str, Any] = {
        "num_workers": workers,
        "collate_fn": collate,
        "pin_memory": fabric.device.type == "cuda",
        "persistent_workers": workers > 0,
        "worker_init_fn": start_worker,
        # Loaders draw a seed whenever they start. From the global generator, this would change the dropout of a
        # resumed training.
        "generator": torch.Generator(),
    }
    # Each process validates its own rows.
    mine = range(fabric.global_rank, len(validation), fabric.world_size)
    return (
        batches,
        DataLoader(training, batch_sampler=batches, **common),
        DataLoader(
            validation,
            batch_size=settings.validation_batch_size or settings.batch_size,
            sampler=list(mine),
            **common,
        ),
    )


def fields_of(loader: DataLoader) -> "TrainingFields | WholeFields":
    """Return the data set of a loader created by `make_loaders`."""
    fields = loader.dataset
    assert isinstance(fields, TrainingFields | WholeFields), "no other data sets are created"
    return fields


def close_workers(loader: DataLoader) -> None:
    """Stop the worker processes of a loader now.

    At exit, Python would terminate the remaining ones with SIGTERM, which they ignore, and wait for them forever.
    """
    if isinstance(loader._iterator, _MultiProcessingDataLoaderIter):
        loader._iterator._shutdown_workers()
        loader._iterator = None


def start_worker(number: int) -> None:
    """Limit the worker process to one thread and ignore signals meant for the training."""
    use_one_thread()
    ignore_signals()


@dataclass
class Batch:
    """A batch: images (B, H, W, 4) uint8, labels (B, C) float32 and rows (B,) int64, the fields' data set indices."""

    images: Tensor
    labels: Tensor
    rows: Tensor

    def pin_memory(self) -> "Batch":
        """Return the batch in pinned memory, from which a GPU can copy asynchronously."""
        return Batch(self.images.pin_memory(), self.labels.pin_memory(), self.rows.pin_memory())


class TrainingFields(Dataset):
    """Augmented crops, indexed by (epoch, position in the epoch, row)."""

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
    """Whole fields without augmentation, indexed by row."""

    def __init__(self, reader: ShardReader, ids: Sequence[str], labels: np.ndarray, field_size: int):
        self.reader, self.ids, self.labels = reader, list(ids), labels.astype(np.float32)
        self.field_size = field_size

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, row: int) -> tuple[np.ndarray, np.ndarray, int]:
        return sized_field(self.reader.read(self.ids[row]), self.field_size), self.labels[row], row


def collate(samples: Iterable[tuple[np.ndarray, np.ndarray, int]]) -> Batch:
    """Stack samples into a batch; images stay channels-last uint8, a quarter of the size of float32."""
    images, labels, rows = zip(*samples, strict=True)
    return Batch(
        torch.from_numpy(np.stack(images)),
        torch.from_numpy(np.stack(labels)),
        torch.tensor(rows, dtype=torch.int64),
    )
