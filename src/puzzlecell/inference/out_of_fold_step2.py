"""Step 2 of training fields with the model that was not trained on them."""

import os
from collections.abc import Mapping, Sequence

from puzzlecell.config.steps import Step2Settings
from puzzlecell.data.field_sources import FieldSource, RawDataset, image_sources
from puzzlecell.data.tables import read_csv, write_parquet
from puzzlecell.inference.out_of_fold import held_out_fields
from puzzlecell.inference.step2 import step2_table
from puzzlecell.runtime.progress import Progress, no_progress


def write_oof_step2(
    cells_parquet: str | os.PathLike,
    *,
    store: Sequence[str | os.PathLike],
    masks: Sequence[str | os.PathLike],
    model: str | os.PathLike,
    folds_csv: str | os.PathLike,
    fold: int,
    raw: Mapping[str, RawDataset],
    settings: Step2Settings,
    device: str = "cpu",
    threads: int = 1,
    progress: Progress = no_progress,
) -> None:
    """Write `ID, cell, p00 ...` (Parquet), a row per cell of the fields of a fold.

    store, masks: the shards of the data sets in `raw`. model: the weights of the fold, which were trained without these
    fields. raw: where the raw fields of each data set are, which `source: raw` reads. Raises the errors of
    `step2_table`.
    """
    fields = held_out_fields(folds_csv, list(raw), fold, store)
    table = step2_table(
        store,
        masks,
        [model],
        settings,
        images=held_out_images(folds_csv, raw, fields) if settings.source == "raw" else None,
        field_ids=fields,
        device=device,
        threads=threads,
        progress=progress,
    )
    write_parquet(cells_parquet, table)


def held_out_images(
    folds_csv: str | os.PathLike, raw: Mapping[str, RawDataset], field_ids: Sequence[str]
) -> dict[str, FieldSource]:
    """Where the raw images of fields of several data sets are; the table of folds says whose each field is."""
    sources = {name: image_sources(dataset) for name, dataset in raw.items()}
    dataset_of = read_csv(folds_csv).set_index("ID")["dataset"]
    return {field_id: sources[dataset_of[field_id]][field_id] for field_id in field_ids}
