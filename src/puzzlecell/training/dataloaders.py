"""Data loaders: augmented crops for training and whole fields for validation, or crops of cells for both.

With a frozen backbone, features take the place of fields.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from lightning_fabric import Fabric
from torch.utils.data import DataLoader, Dataset
from torch.utils.data.dataloader import _MultiProcessingDataLoaderIter

from puzzlecell.config.augmentation import augmentation_settings
from puzzlecell.data.resize import sized_field
from puzzlecell.data.store import ShardReader
from puzzlecell.runtime.messages import first_few
from puzzlecell.runtime.signals import ignore_signals
from puzzlecell.runtime.threads import use_one_thread
from puzzlecell.training.augment import BLACK, REFLECTED, Augmenter
from puzzlecell.training.cell_crops import CroppedCells, TrainingCells, WholeCells
from puzzlecell.training.kept_features import TrainingFeatures, WholeFeatures
from puzzlecell.training.run import TrainingError, TrainingRun
from puzzlecell.training.sampler import EpochBatches, cell_weights, field_weights
from puzzlecell.training.samples import Sample, collate


def make_loaders(run: TrainingRun, fabric: Fabric) -> tuple[EpochBatches, DataLoader, DataLoader]:
    """Return the batch sampler and the loaders of the training and validation fields or cells.

    Raises TrainingError if fields of the table are not stored.
    """
    settings = run.settings
    reader = ShardReader(run.stores)
    absent = [field_id for field_id in dict.fromkeys(run.table["ID"]) if field_id not in reader]
    if absent:
        raise TrainingError(
            f"{len(absent)} fields of the table are not in the store, e.g. {first_few(absent, 5)}"
        )
    if not settings.network.frozen:
        # Fail now rather than hours later if the stored fields are too small.
        sized_field(reader.read(run.table["ID"].iloc[0]), settings.input.field_size)
    training, validation = examples(run, reader)
    weigh = field_weights if run.cells is None else cell_weights
    batches = EpochBatches(
        len(training),
        weigh(training.labels, settings.sampler),
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


def examples(run: TrainingRun, reader: ShardReader) -> "tuple[Training, Validation]":
    """Return the fields, or cells, that a run trains on and those of the held-out fold.

    Raises TrainingError for cells of fields without a label image.
    """
    settings, table = run.settings, run.table
    out = (table["fold"] == run.fold).to_numpy()
    ids, labels = table["ID"].to_numpy(), table[list(run.classes)].to_numpy(dtype=np.float32)
    if settings.network.frozen:
        crop = settings.input.crop_size // settings.network.output_stride
        return (
            TrainingFeatures(reader, ids[~out], labels[~out], crop, settings.seed),
            WholeFeatures(reader, ids[out], labels[out]),
        )
    size = settings.input.crop_size if run.cells is None else run.cells.geometry.canvas
    # Around a crop that is filled up with black, there is nothing to reflect.
    border = BLACK if run.cells is not None and run.cells.geometry.padding == "black" else REFLECTED
    augmenter = Augmenter(augmentation_settings(settings.augmentation), size, settings.seed, border=border)
    if run.cells is None:
        size = settings.input.field_size
        return (
            TrainingFields(reader, ids[~out], labels[~out], size, augmenter),
            WholeFields(reader, ids[out], labels[out], size),
        )
    numbers = table["cell"].to_numpy()
    cut = [CroppedCells(reader, run.cells, ids[rows], numbers[rows]) for rows in (~out, out)]
    absent = [field_id for field_id in dict.fromkeys(ids) if field_id not in cut[0].masks]
    if absent:
        raise TrainingError(f"{len(absent)} fields have no label image, e.g. {first_few(absent, 5)}")
    return TrainingCells(cut[0], labels[~out], augmenter), WholeCells(cut[1], labels[out])


def trained_on(loader: DataLoader) -> "Training":
    """Return the data set of the training loader created by `make_loaders`."""
    data = loader.dataset
    assert isinstance(data, Training), "no other data sets are created"
    return data


def held_out(loader: DataLoader) -> "Validation":
    """Return the data set of the validation loader created by `make_loaders`."""
    data = loader.dataset
    assert isinstance(data, Validation), "no other data sets are created"
    return data


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

    def name(self, row: int) -> str:
        """Name of a field in messages."""
        return self.ids[row]

    def __getitem__(self, place: tuple[int, int, int]) -> Sample:
        epoch, position, row = place
        field = sized_field(self.reader.read(self.ids[row]), self.field_size)
        return Sample(self.augmenter(field, epoch, position), self.labels[row], row)


class WholeFields(Dataset):
    """Whole fields without augmentation, indexed by row."""

    def __init__(self, reader: ShardReader, ids: Sequence[str], labels: np.ndarray, field_size: int):
        self.reader, self.ids, self.labels = reader, list(ids), labels.astype(np.float32)
        self.field_size = field_size

    def __len__(self) -> int:
        return len(self.ids)

    def name(self, row: int) -> str:
        """Name of a field in messages."""
        return self.ids[row]

    @property
    def keys(self) -> pd.DataFrame:
        """Column `ID` of the rows."""
        return pd.DataFrame({"ID": pd.array(self.ids, dtype=object)})

    def __getitem__(self, row: int) -> Sample:
        return Sample(sized_field(self.reader.read(self.ids[row]), self.field_size), self.labels[row], row)


Training = TrainingFields | TrainingCells | TrainingFeatures
Validation = WholeFields | WholeCells | WholeFeatures
