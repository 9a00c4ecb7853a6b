"""Predictions for labelled fields by models that were not trained on them: out-of-fold and holdout.

Columns: `ID, ImageWidth, ImageHeight, cell, centroid_x, centroid_y, p00 ...`; sizes and centroids in original pixels.
"""

import os
from collections.abc import Sequence

import pandas as pd

from puzzlecell.config.steps import Step1Settings
from puzzlecell.data.store import ShardReader
from puzzlecell.data.tables import class_columns, read_csv, read_parquet, write_csv
from puzzlecell.inference.predict import Paths, open_shards
from puzzlecell.inference.step1 import step1_tables
from puzzlecell.runtime.progress import Progress, no_progress


def write_oof(
    cells_csv: str | os.PathLike,
    store: Paths,
    masks: Paths,
    cell_tables: Sequence[str | os.PathLike],
    models: Sequence[str | os.PathLike],
    *,
    settings: Step1Settings,
    negative: int | None,
    images_csv: str | os.PathLike | None = None,
    field_ids: Sequence[str] | None = None,
    device: str = "cpu",
    threads: int = 1,
    progress: Progress = no_progress,
) -> None:
    """Write the step 1 scores, one row per cell (CSV), and those of whole fields (`images_csv`: `ID, p00 ...`).

    For out-of-fold predictions, pass the fields of a fold (see `held_out_fields`) and the model of that fold; for the
    holdout, all fields and the models of all folds. store, masks, cell_tables: the shards and their cell tables
    (Parquet). Raises the errors of `step1_tables`.
    """
    reader = open_shards(store)
    cells, images = step1_tables(
        reader,
        open_shards(masks),
        models,
        settings,
        negative=negative,
        field_ids=field_ids,
        device=device,
        threads=threads,
        progress=progress,
    )
    columns = ["ID", "cell", "centroid_x", "centroid_y"]
    centres = pd.concat([read_parquet(path, columns) for path in cell_tables], ignore_index=True)
    write_csv(cells_csv, oof_table(cells, centres, reader.table))
    if images_csv is not None:
        write_csv(images_csv, images)


def held_out_fields(
    folds_csv: str | os.PathLike, datasets: Sequence[str], fold: int, store: Sequence[str | os.PathLike]
) -> list[str]:
    """IDs of the stored fields of a fold that belong to these data sets, in the order of the fold table."""
    table = read_csv(folds_csv)
    wanted = table[(table["fold"] == fold) & table["dataset"].isin(datasets)]
    stored = ShardReader(store)
    return [field_id for field_id in wanted["ID"] if field_id in stored]


def oof_table(cells: pd.DataFrame, centres: pd.DataFrame, sizes: pd.DataFrame) -> pd.DataFrame:
    """Add field sizes (index ID; `height, width`) and cell centroids to the table `ID, cell, p00 ...`.

    Raises ValueError if a cell is not in the cell table.
    """
    table = cells.merge(centres, on=["ID", "cell"], how="left", validate="one_to_one")
    lost = table["centroid_x"].isna()
    if lost.any():
        first = table[lost].iloc[0]
        raise ValueError(
            f"{lost.sum()} cells are not in the cell table, such as {first['ID']} cell {first['cell']}"
        )
    table["ImageWidth"] = sizes["width"].loc[table["ID"]].to_numpy()
    table["ImageHeight"] = sizes["height"].loc[table["ID"]].to_numpy()
    order = ["ID", "ImageWidth", "ImageHeight", "cell", "centroid_x", "centroid_y", *class_columns(cells)]
    return table[order]
