"""What networks learn from grades: targets of graded cells, alone or in place of predicted ones."""

import logging
import os
from collections.abc import Mapping

import numpy as np
import pandas as pd

from puzzlecell.data.tables import class_columns, probability_table, read_csv, read_parquet, write_parquet
from puzzlecell.data.text_tables import TableError

log = logging.getLogger(__name__)

AnyPath = str | os.PathLike


def graded_targets(graded: pd.DataFrame, folds: Mapping[str, int] | None) -> pd.DataFrame:
    """Return targets `ID, cell, fold, p00 ...` float32 of the graded cells that teach.

    graded: table of `write_graded_cells`. NaN: nobody graded this class, so it does not count. folds: ID -> fold; a
    field in no fold is left out. None: the data set is in no folds, and its cells have fold 0.
    """
    teaching = graded[~graded["held_out"]]
    if folds is None:
        fold = np.zeros(len(teaching), np.int32)
    else:
        teaching = teaching[teaching["ID"].isin(list(folds))]
        fold = np.array([folds[field_id] for field_id in teaching["ID"]], np.int32)
    keys = {"ID": teaching["ID"], "cell": teaching["cell"].to_numpy(), "fold": fold}
    return probability_table(keys, teaching[class_columns(teaching)].to_numpy(np.float32))


def overruled(
    targets: pd.DataFrame, graded: pd.DataFrame, folds: Mapping[str, int] | None, negative: int | None = None
) -> pd.DataFrame:
    """Return predicted targets in which grades take the place of predictions, class by class.

    targets: `ID, cell, fold, p00 ...`. graded, folds: see `graded_targets`. A graded cell that has no predicted
    targets, such as one of low quality, comes in with its graded classes alone. negative: index of the class of cells
    that show nothing: where it is graded with v, predictions of other classes are at most 1 - v; where others are
    graded, the highest of them with v, its prediction is at most 1 - v. The order of the targets is kept; new cells
    follow.
    """
    columns = class_columns(targets)
    taught = graded_targets(graded, folds)
    if class_columns(taught) != columns:
        raise ValueError(f"{len(columns)} classes are predicted, but {len(class_columns(taught))} graded")
    place_of = {key: row for row, key in enumerate(zip(targets["ID"], targets["cell"], strict=True))}
    places = np.array(
        [place_of.get(key, -1) for key in zip(taught["ID"], taught["cell"], strict=True)], np.int64
    )
    values, grades = targets[columns].to_numpy(np.float32).copy(), taught[columns].to_numpy(np.float32)
    known = places >= 0
    rows, given = places[known], grades[known]
    before = values[rows]
    if negative is not None:
        before = _consistent(before, given, negative)
    values[rows] = np.where(np.isnan(given), before, given)
    result = targets.assign(**dict(zip(columns, values.T, strict=True)))
    log.info(
        "grades overrule predictions in %d cells; %d graded cells have no predictions",
        len(rows),
        (~known).sum(),
    )
    return pd.concat([result, taught[~known]], ignore_index=True)


def _consistent(predicted: np.ndarray, given: np.ndarray, negative: int) -> np.ndarray:
    """Predictions (n, C) of cells that do not contradict their grades (n, C)."""
    limits = np.ones_like(predicted)
    others = [index for index in range(predicted.shape[1]) if index != negative]
    graded = ~np.isnan(given)
    limits[:, others] = np.where(graded[:, [negative]], 1 - given[:, [negative]], 1)
    highest = np.where(graded[:, others], given[:, others], 0).max(axis=1)
    limits[:, negative] = 1 - highest
    return np.minimum(predicted, limits)


def write_graded_targets(
    path: AnyPath,
    *,
    dataset: str,
    graded: AnyPath,
    folds: AnyPath | None,
) -> None:
    """Write the targets (Parquet) of a stage that learns from the grades of a data set alone.

    folds: table `ID, dataset, fold`; None: the data set is in no folds. Raises TableError if no cell is left.
    """
    table = read_parquet(graded)
    targets = graded_targets(table, None if folds is None else folds_of(folds, dataset))
    if targets.empty:
        raise TableError(
            f"{graded}: no graded cell of {dataset} is left to learn from: {len(table)} are graded, "
            f"{table['held_out'].sum()} of them held out (grades.held_out), and the others are in no fold"
        )
    log.info(
        "%d graded cells to learn from; of each class: %s",
        len(targets),
        ", ".join(str(count) for count in targets[class_columns(targets)].notna().sum()),
    )
    if folds is not None and targets["fold"].nunique() == 1:
        log.warning(
            "%s: all graded cells that teach are in fold %d, so that the network of this fold learns from none of them",
            dataset,
            targets["fold"].iloc[0],
        )
    write_parquet(path, targets)


def folds_of(path: AnyPath, dataset: str) -> dict[str, int]:
    """Read the folds of the fields of a data set: ID -> fold."""
    table = read_csv(path)
    own = table[table["dataset"] == dataset]
    return dict(zip(own["ID"], own["fold"].astype(int), strict=True))
