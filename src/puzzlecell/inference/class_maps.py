"""Class activation maps of whole fields as step 1 reads them, kept to be looked at."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from puzzlecell.config.steps import Step1Settings
from puzzlecell.data.activation_maps import WHOLE, resized_maps
from puzzlecell.data.store import ShardReader, open_shard
from puzzlecell.inference.predict import load_networks
from puzzlecell.inference.step1 import field_outputs, scaled_map
from puzzlecell.runtime.progress import Progress, no_progress
from puzzlecell.runtime.threads import limited_threads


@dataclass(frozen=True)
class MapStage:
    """The networks of one member of step 1: the files of its folds, and the weight of the member."""

    models: Sequence[str | os.PathLike]
    weight: float


def class_maps(
    store: ShardReader,
    wanted: Sequence[str],
    stages: Sequence[MapStage],
    settings: Step1Settings,
    *,
    device: str = "cpu",
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the ID of each wanted field and its maps (C, h, w) float32 in [0, 1].

    A map is A of `step1.step1_scores`: after ReLU, and scaled to [0, 1]. With `average: scores`, it is the mean over
    the folds; of several members, it is the weighted mean. Coarser maps are first enlarged to the size of the finest,
    as step 1 enlarges them to a label image. Raises ValueError if there is no member, and the errors of `load_networks`
    and `field_outputs`.
    """
    if not stages:
        raise ValueError("class activation maps need at least one member of step 1")
    total = sum(stage.weight for stage in stages)
    sources = [(_scaled_maps(store, wanted, stage.models, settings, device), stage) for stage in stages]
    for field_id in wanted:
        parts = [next(maps) for maps, _ in sources]
        height, width = max(part.shape[1:] for part in parts)
        weighted = [
            np.float32(stage.weight / total) * resized_maps(part, height, width)
            for part, (_, stage) in zip(parts, sources, strict=True)
        ]
        yield field_id, np.sum(weighted, axis=0)


def _scaled_maps(
    store: ShardReader,
    wanted: Sequence[str],
    models: Sequence[str | os.PathLike],
    settings: Step1Settings,
    device: str,
) -> Iterator[np.ndarray]:
    """Yield the maps (C, h, w) of each field as one member reads them."""
    networks = load_networks(models, device)
    for batch, outputs in field_outputs(store, wanted, networks, models, settings, device=device):
        for row in range(len(batch)):
            of_folds = [[scaled_map(one) for one in maps[row]] for _, maps in outputs]
            yield np.asarray(np.mean(of_folds, axis=0, dtype=np.float64), np.float32)


def write_class_maps(
    path: str | os.PathLike,
    store: ShardReader,
    chosen: Mapping[str, np.ndarray],
    stages: Sequence[MapStage],
    settings: Step1Settings,
    *,
    classes: int,
    device: str = "cpu",
    threads: int = 1,
    progress: Progress = no_progress,
    show: Callable[[str, np.ndarray], None] | None = None,
) -> None:
    """Write the maps of chosen classes as a shard: `/maps` (N, C, h, w) uint16 and `/chosen` (N, C) uint8.

    chosen: ID -> (C,) bool, for the fields to be written; the maps of other classes are 0. A stored number is 65535
    times the value of the map. classes: C. progress: called with the number of fields done and the total. show: called
    with the ID of each field and its maps (C, h, w) float32 as they are stored, in [0, 1].
    """
    wanted = list(chosen)
    flags = np.array([chosen[field_id] for field_id in wanted], np.uint8).reshape(len(wanted), classes)
    with limited_threads(threads):
        found = class_maps(store, wanted, stages, settings, device=device) if wanted else iter(())
        # The first maps tell the size of all.
        first = next(found, ("", np.zeros((classes, 1, 1), np.float32)))
        shape = first[1].shape
        with open_shard(path, len(wanted), {"maps": (shape, np.dtype(np.uint16))}, {}) as writer:
            for row, (field_id, maps) in enumerate(chain([first], found) if wanted else ()):
                stored = np.round(maps * flags[row][:, None, None] * WHOLE).astype(np.uint16)
                writer.write(row, "maps", stored)
                if show is not None:
                    show(field_id, stored / np.float32(WHOLE))
                progress(row + 1, len(wanted))
            writer.finish(wanted, {"chosen": flags})
