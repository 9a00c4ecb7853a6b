"""The training of a job: what the rules that train have in common."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from puzzlecell.data.chance import warn_of_classes_at_chance
from puzzlecell.data.store import shard_checksum
from puzzlecell.runtime.fingerprint import fingerprint
from puzzlecell.runtime.progress import Progress
from puzzlecell.runtime.tracking import tracked_texts
from puzzlecell.training.run import STATES_BELOW, CellData, TrainingRun
from puzzlecell.training.train import train


def train_stage(
    snakemake: Any,
    progress: Progress,
    *,
    device: str,
    classes: Sequence[str],
    table: pd.DataFrame,
    stores: Sequence[str],
    tables: Sequence[str],
    metadata: Mapping[str, Any] | None = None,
    cells: CellData | None = None,
) -> None:
    """Train the stage of a job, or go on from its saved state, and warn of classes that it has not learned.

    snakemake: the object that Snakemake provides to scripts; its wildcards are a model, a stage and a fold. device,
    classes, table, stores, cells: as in `TrainingRun`. tables: files that `table` was read from. metadata: of the
    weights, besides their stage. A saved state counts only for the same code, settings, shards and files. Raises the
    errors of `train`.
    """
    given, params, names = snakemake.input, snakemake.params, snakemake.wildcards
    start = list(given.start)
    shards: list[str | os.PathLike] = [*stores, *(cells.masks if cells else ())]
    run = TrainingRun(
        settings=params.settings,
        classes=classes,
        stores=[Path(path) for path in stores],
        table=table,
        fold=int(names.fold),
        output=Path(snakemake.output.model).parent,
        states_below=os.environ.get(STATES_BELOW),
        fingerprint=fingerprint(
            [params.code, *tracked_texts(params), *map(str, names), *map(shard_checksum, shards)],
            [*tables, *start, given.classes],
        ),
        init_from=Path(start[0]) if start else None,
        device=device,
        threads=snakemake.threads,
        metadata={"stage": names.stage, **(metadata or {})},
        cells=cells,
    )
    train(run, progress)
    warn_of_classes_at_chance(snakemake.output.oof, classes, params.plausibility)
