"""Choice and order of an epoch's fields or cells: class-balanced draws that depend only on seed and epoch."""

from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler

from puzzlecell.config.training import SamplerSettings
from puzzlecell.errors import UserError


def class_counts(labels: np.ndarray) -> np.ndarray:
    """Return the number of fields per class (C,); soft labels count by their value. labels: (N, C) in [0, 1]."""
    return labels.sum(axis=0, dtype=np.float64)


def field_weights(labels: np.ndarray, settings: SamplerSettings) -> np.ndarray | None:
    """Return the sampling weight of each field (N,), or None for equal frequency. labels: (N, C) in [0, 1].

    - `capped`: the weight of a class is 1 / (number of its fields). That of a field is the mean over its classes,
      capped at the class weight of rank `cap_rank`.
    - `inverse`: the weight of a class is median count / count or log(fields / count), clipped. That of a field is
      the largest among its classes.

    Classes without fields are ignored. A field without any class gets the smallest weight of the others. Raises
    UserError if no field has a class.
    """
    return _weights(labels, (labels > 0).astype(np.float64), settings, "field")


def cell_weights(targets: np.ndarray, settings: SamplerSettings) -> np.ndarray | None:
    """Return the sampling weight of each cell (N,), or None for equal frequency. targets: (N, C) in [0, 1] or NaN.

    As `field_weights`, but a cell belongs to a class as much as its target t says, so that a cell that surely shows a
    rare class is drawn often, and one that hardly does rarely. With the class weights w:

    - `capped`: sum(t w) / max(1, sum(t)), capped.
    - `inverse`: max(t w).

    Targets that do not count (NaN) are 0 here. For targets 0 and 1 the weights are those of `field_weights`.
    """
    known = np.nan_to_num(targets.astype(np.float64))
    return _weights(known, known, settings, "cell")


def _weights(
    labels: np.ndarray, member: np.ndarray, settings: SamplerSettings, what: str
) -> np.ndarray | None:
    """Weights from labels (N, C), which are counted, and degrees of membership (N, C) in [0, 1]."""
    if settings.kind == "none":
        return None
    counts = class_counts(labels)
    present = counts > 0
    if not present.any():
        raise UserError(
            f"no training {what} has a label, so {what}s cannot be sampled by class; "
            "check the labels or set sampler.kind: none"
        )
    weights = np.zeros(len(counts))
    if settings.kind == "capped":
        weights[present] = 1 / counts[present]
    elif settings.inverse_by == "median":
        weights[present] = np.clip(np.median(counts[present]) / counts[present], *settings.clip)
    else:
        weights[present] = np.clip(np.log(len(labels) / counts[present]), *settings.clip)
    classes = member.sum(axis=1)
    if settings.kind == "capped":
        cap = np.sort(weights[present])[::-1][min(settings.cap_rank, int(present.sum())) - 1]
        drawn = np.minimum((member * weights).sum(axis=1) / np.maximum(classes, 1), cap)
    else:
        drawn = (member * weights).max(axis=1)
    drawn[classes == 0] = drawn[classes > 0].min()
    return drawn


def epoch_order(fields: int, weights: np.ndarray | None, samples: int, seed: int, epoch: int) -> np.ndarray:
    """Return the row numbers shown in an epoch, (samples,) int64; the same for the same seed and epoch.

    With weights, rows are drawn with replacement. Without, random permutations of all rows are concatenated and cut
    to `samples`.
    """
    generator = np.random.default_rng((seed, epoch))
    if weights is not None:
        return generator.choice(fields, size=samples, replace=True, p=weights / weights.sum())
    rounds = -(-samples // fields)
    return np.concatenate([generator.permutation(fields) for _ in range(rounds)])[:samples]


class EpochBatches(Sampler[list[tuple[int, int, int]]]):
    """Batches of (epoch, position, row), from which a worker can reproduce the same crop and augmentation.

    Set `epoch` and `first_step` before each iteration; a resumed epoch skips the steps already completed. The global
    batch of a step is divided into `parts` micro-batches, each distributed over `world` processes.
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
            raise UserError(
                f"batch_size {batch_size} cannot be divided among {world} processes in {parts} parts each"
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
