"""Scores of labelled fields by models that did not see them: out of fold, and the holdout.

Columns: `ID, ImageWidth, ImageHeight, cell, centroid_x, centroid_y, p00 ...`, sizes and centres in original
pixels.
"""

import os
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score, roc_auc_score

from puzzlecell.config.steps import Step1Settings
from puzzlecell.data.tables import class_columns
from puzzlecell.inference.predict import Paths, open_shards
from puzzlecell.inference.step1 import step1_tables
from puzzlecell.runtime.atomic import written_whole


def write_oof(
    out_csv: str | os.PathLike,
    store_paths: Paths,
    masks_paths: Paths,
    cell_paths: Sequence[str | os.PathLike],
    model_paths: Sequence[str | os.PathLike],
    settings: Step1Settings,
    *,
    negative: int | None,
    field_ids: Sequence[str] | None = None,
    images_csv: str | os.PathLike | None = None,
    device: str = "cpu",
    threads: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write step 1 of some fields of several shards, cell by cell (CSV).

    Out of fold: `field_ids` of the fold and its one model. Holdout: all fields and the models of all folds.
    cell_paths: the cell tables of the shards (parquet). images_csv: where to write `ID, p00 ...` of the
    fields. Errors as in `step1_tables`.
    """
    cells, images = step1_tables(
        store_paths,
        masks_paths,
        model_paths,
        settings,
        negative=negative,
        field_ids=field_ids,
        device=device,
        threads=threads,
        progress=progress,
    )
    columns = ["ID", "cell", "centroid_x", "centroid_y"]
    centres = pd.concat([pd.read_parquet(path, columns=columns) for path in cell_paths], ignore_index=True)
    write_csv(out_csv, oof_table(cells, centres, open_shards(store_paths).table))
    if images_csv is not None:
        write_csv(images_csv, images)


def oof_table(cells: pd.DataFrame, centres: pd.DataFrame, sizes: pd.DataFrame) -> pd.DataFrame:
    """Cells `ID, cell, p00 ...` with sizes (index ID; `height, width`) and centres of the cell table.

    Raises ValueError where a cell is not in the cell table.
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


def write_csv(path: str | os.PathLike, table: pd.DataFrame) -> None:
    """Write a table as CSV with six decimals, whole."""
    with written_whole(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6f", lineterminator="\n")


def fields_of_cells(cells: pd.DataFrame) -> pd.DataFrame:
    """`ID, p00 ...` of fields from those of their cells: the largest of each class."""
    return cells.groupby("ID", sort=False)[class_columns(cells)].max().reset_index()


def image_metrics(probabilities: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    """`class, fields, positives, ap, auc` of fields, a row a class and one for the mean, called `mean`.

    probabilities: `ID, p00 ...`; labels: index ID, a 0/1 column a class, with at least these fields. The
    average precision is that of the steps (scikit-learn's), NaN where no field has the class; the area
    under the ROC curve is NaN where all fields or none have it. The means leave NaN out. Raises ValueError
    for fields without labels.
    """
    values, truth = labelled(probabilities, labels)
    rows = []
    for index, name in enumerate(labels.columns):
        positives = int(truth[:, index].sum())
        both = 0 < positives < len(truth)
        rows.append(
            {
                "class": name,
                "fields": len(truth),
                "positives": positives,
                "ap": average_precision_score(truth[:, index], values[:, index]) if positives else np.nan,
                "auc": roc_auc_score(truth[:, index], values[:, index]) if both else np.nan,
            }
        )
    table = pd.DataFrame(rows)
    mean = {"class": "mean", "fields": len(truth), "positives": int(truth.sum())}
    mean |= {name: table[name].mean() for name in ("ap", "auc")}
    return pd.concat([table, pd.DataFrame([mean])], ignore_index=True)


def labelled(probabilities: pd.DataFrame, labels: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Values (n, C) float64 and labels (n, C) bool of the fields in a table. Raises ValueError where labels
    miss.
    """
    columns = class_columns(probabilities)
    if len(columns) != labels.shape[1]:
        raise ValueError(f"{len(columns)} classes are predicted, {labels.shape[1]} labelled")
    absent = sorted(set(probabilities["ID"]) - set(labels.index))
    if absent:
        raise ValueError(f"no labels of {len(absent)} fields, such as {absent[0]}")
    truth = labels.loc[probabilities["ID"]].to_numpy() > 0
    return probabilities[columns].to_numpy(np.float64), truth
