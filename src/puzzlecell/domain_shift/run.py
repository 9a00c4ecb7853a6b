"""What the jobs do: keep what the training fields look like, and measure how far other fields are from it."""

import logging
import os
import zlib
from collections.abc import Sequence

import numpy as np

from puzzlecell.config.plausibility import PlausibilitySettings
from puzzlecell.config.unlike import UnlikeSettings
from puzzlecell.data.folds import group_keys
from puzzlecell.data.tables import write_parquet
from puzzlecell.data.unlike import warn_of_unlike_fields
from puzzlecell.domain_shift.distance import distance_table
from puzzlecell.domain_shift.features import Described, describe
from puzzlecell.domain_shift.look import Look, fit_aspects, part_of_groups
from puzzlecell.domain_shift.look_file import LookError, read_look_of, write_look
from puzzlecell.inference.out_of_fold import held_out_fields
from puzzlecell.network.network_file import network_digest
from puzzlecell.runtime.progress import Progress, no_progress
from puzzlecell.runtime.threads import limited_threads

AnyPath = str | os.PathLike
FEWEST = 3
"""Smallest number of fields, or groups of fields, that distances can be measured among."""

log = logging.getLogger(__name__)


def write_training_look(
    path: AnyPath,
    *,
    store: Sequence[AnyPath],
    masks: Sequence[AnyPath],
    cell_tables: Sequence[AnyPath],
    model: AnyPath,
    folds: AnyPath,
    datasets: Sequence[str],
    fold: int,
    group: str | None,
    settings: UnlikeSettings,
    device: str = "cpu",
    threads: int = 1,
    progress: Progress = no_progress,
) -> None:
    """Write what the training fields of a fold look like to the network that was not trained on them.

    store, masks, cell_tables: shards of the data sets. folds: table of the folds. group: `folds.group`; fields of one
    group are not measured from each other. Raises LookError for fewer than three fields or groups.
    """
    held_out = held_out_fields(folds, datasets, fold, store)
    chosen = sorted(held_out, key=lambda field_id: zlib.crc32(field_id.encode()))[: settings.max_fields]
    fields, cells = describe(
        store, masks, cell_tables, model, field_ids=chosen, device=device, threads=threads, progress=progress
    )
    groups = group_keys(fields.keys["ID"], group)
    with limited_threads(threads):
        look = fit_look(fields, cells, groups, network_digest(model), settings.level)
    write_look(path, look)


def fit_look(fields: Described, cells: Described, groups: Sequence[str], network: str, level: float) -> Look:
    """Fit what training fields look like. groups: (n,) group of each field; the other arguments as in `Look`.

    Raises LookError for fewer than three groups, or if nearly no field has cells. Logs a warning if there are too few
    fields for the level.
    """
    if len(set(groups)) < FEWEST:
        raise LookError(
            f"{len(set(groups))} fields or groups of fields (folds.group) were held out; expected at least {FEWEST} to "
            "say how different training fields are from each other; add training fields"
        )
    fewest = int(np.ceil(level / (1 - level)))
    if len(fields) < fewest:
        log.warning(
            "what training fields look like is known from only %d fields; unlike_training.level %g needs %d, so a "
            "field counts as unlike them if it is farther from them than any of these",
            len(fields),
            level,
            fewest,
        )
    parts = part_of_groups(groups)
    part_of = dict(zip(fields.keys["ID"], parts, strict=True))
    of_fields, seen = fit_aspects(fields, parts, level)
    parts_of_cells = cells.keys["ID"].map(part_of).to_numpy()
    if len(set(parts_of_cells)) < 2:
        raise LookError(
            f"{cells.keys['ID'].nunique()} of {len(fields)} held-out training fields have cells; expected more, to say "
            "what their cells look like; look at the label images of the training sets"
        )
    of_cells, _ = fit_aspects(cells, parts_of_cells, level)
    return Look(of_fields, of_cells, seen, network, level)


def write_distances(
    cells_parquet: AnyPath,
    fields_parquet: AnyPath,
    *,
    dataset: str,
    store: AnyPath,
    masks: AnyPath,
    cell_table: AnyPath,
    model: AnyPath,
    look: AnyPath,
    plausibility: PlausibilitySettings,
    device: str = "cpu",
    threads: int = 1,
    progress: Progress = no_progress,
) -> None:
    """Write how far the cells and fields of a shard are from the training fields, as `distance_table` (Parquet).

    Raises LookError if `look` was made with another network than `model`.
    """
    kept = read_look_of(look, model)
    fields, cells = describe(
        store, masks, [cell_table], model, device=device, threads=threads, progress=progress
    )
    with limited_threads(threads):
        of_fields, of_cells = distance_table(fields, kept.fields), distance_table(cells, kept.cells)
    write_parquet(fields_parquet, of_fields)
    write_parquet(cells_parquet, of_cells)
    warn_of_unlike_fields(dataset, of_fields, plausibility)
