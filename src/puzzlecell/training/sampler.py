"""Which fields an epoch shows, in which order: class-balanced draws that depend on seed and epoch alone."""

from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler

from puzzlecell.config.training import SamplerSettings


def class_counts(labels: np.ndarray) -> np.ndarray:
    """Fields of each class (C,), soft labels counted by their value. labels: (N, C) in [0, 1]."""
    return labels.sum(axis=0, dtype=np.float64)


def field_weights(labels: np.ndarray, settings: SamplerSettings) -> np.ndarray | None:
    """Weight (N,) with which each field is drawn, or None where all are drawn once. labels: (N, C) in [0, 1].

    `capped`: a class weighs 1 / (fields of it), a field the mean of its classes, at most the class weight of
    rank `cap_rank`. `inverse`: median count / count or log(fields / count), clipped; a field has its greatest
    class weight. Classes without a field are left out. A field without any class gets the least weight of the
    others. Raises ValueError where no field has a class.
    """
    if settings.kind == "none":
        return None
    counts = class_counts(labels)
    present = counts > 0
    if not present.any():
        raise ValueError("no training field has a label, so that none can be drawn by its classes")
    weights = np.zeros(len(counts))
    if settings.kind == "capped":
        weights[present] = 1 / counts[present]
    elif settings.inverse_by == "median":
        weights[present] = np.clip(np.median(counts[present]) / counts[present], *settings.clip)
    else:
        weights[present] = np.clip(np.log(len(labels) / counts[present]), *settings.clip)
    member = labels > 0
    classes = member.sum(axis=1)
    if settings.kind == "capped":
        cap = np.sort(weights[present])[::-1][min(settings.cap_rank, int(present.sum())) - 1]
        drawn = np.minimum((member * weights).sum(axis=1) / np.maximum(classes, 1), cap)
    else:
        drawn = (member * weights).max(axis=1)
    drawn[classes == 0] = drawn[classes > 0].min()
    return drawn


def epoch_order(fields: int, weights: np.ndarray | None, samples: int, seed: int, epoch: int) -> np.ndarray:
    """Row numbers (samples,) int64 shown in an epoch, the same for the same seed and epoch.

    With weights drawn with replacement; without, whole random orders one after another, cut to `samples`.
    """
    generator = np.random.default_rng((seed, epoch))
    if weights is not None:
        return generator.choice(fields, size=samples, replace=True, p=weights / weights.sum())
    rounds = -(-samples // fields)
    return np.concatenate([generator.permutation(fields) for _ in range(rounds)])[:samples]


class EpochBatches(Sampler[list[tuple[int, int, int]]]):
    """Batches of (epoch, position, row): all that a worker needs to make the same crop and augmentation
    again.

    Set `epoch` and `first_step` before each iteration: an epoch taken up again skips the steps already made.
    A step's global batch is cut into `parts` micro-batches, each shared out over `world` processes.
    """

    def __init__(
        self,
        fields: int,
        weights: np.ndarray | None,
        samples: int,
        batch_size: int,
        seed: int,
        *,
        parts: int = 1,
        rank: int = 0,
        world: int = 1,
    ):
        if batch_size % (parts * world):
            raise ValueError(
                f"batch_size {batch_size} cannot be shared out over {world} processes in {parts} parts each"
            )
        self.fields, self.weights, self.seed = fields, weights, seed
        self.batch_size, self.parts, self.rank, self.world = batch_size, parts, rank, world
        self.steps = -(-samples // batch_size)
        self.epoch = 0
        self.first_step = 0

    def __len__(self) -> int:
        return (self.steps - self.first_step) * self.parts

    def __iter__(self) -> Iterator[list[tuple[int, int, int]]]:
        order = epoch_order(self.fields, self.weights, self.steps * self.batch_size, self.seed, self.epoch)
        size = self.batch_size // (self.parts * self.world)
        for step in range(self.first_step, self.steps):
            for part in range(self.parts):
                first = step * self.batch_size + (part * self.world + self.rank) * size
                yield [(self.epoch, place, int(order[place])) for place in range(first, first + size)]
