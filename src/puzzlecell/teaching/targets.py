"""Soft targets of single cells, made of predictions of other networks and of the labels of the fields.

A field is predicted only by networks that were not trained on it: by the one of its own fold, or by those of all folds
if the teacher has not seen the data set at all.
"""

import logging
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from puzzlecell.config.cell_stage import TargetSettings
from puzzlecell.data.cell_predictions import aligned, cell_quality, join
from puzzlecell.data.tables import class_columns, probability_table, read_csv, read_parquet, write_parquet
from puzzlecell.errors import UserError
from puzzlecell.teaching.graded_targets import overruled

log = logging.getLogger(__name__)

AnyPath = str | os.PathLike
KEYS = ["ID", "cell"]


@dataclass(frozen=True)
class TeacherTables:
    """Predictions `ID, cell, p00 ...` of one teacher.

    held_out: the table of each fold, predicted by the network of this fold, if the teacher was trained on the data set.
    unseen: otherwise, tables of the mean over the networks of all folds.
    """

    weight: float
    held_out: Mapping[int, AnyPath]
    unseen: Sequence[AnyPath] = ()


@dataclass(frozen=True)
class FieldFacts:
    """What is known of the fields of a data set.

    fold: by ID, of the fields with labels; None for a data set without labels. present: index ID, one column per class,
    above 0 where the field has the label; None likewise. shared: IDs of fields that are left out, because a teacher was
    trained on fields of the same group or with the same images.
    """

    fold: pd.Series | None
    present: pd.DataFrame | None
    shared: Collection[str] = ()


def teacher_tables(
    weights: Sequence[float], held_out: Sequence[bool], paths: Sequence[AnyPath], *, folds: int
) -> list[TeacherTables]:
    """Tables of each teacher.

    paths: for each teacher in turn, the tables of all folds if it was trained on the data set (`held_out`), else those
    of all shards, equally many for each teacher.
    """
    shards = (len(paths) - folds * sum(held_out)) // max(1, len(held_out) - sum(held_out))
    found, start = [], 0
    for weight, seen in zip(weights, held_out, strict=True):
        own = paths[start : start + (folds if seen else shards)]
        start += len(own)
        found.append(
            TeacherTables(weight, dict(enumerate(own, start=1)))
            if seen
            else TeacherTables(weight, {}, tuple(own))
        )
    return found


def write_targets(
    path: AnyPath,
    *,
    dataset: str,
    teachers: Sequence[TeacherTables],
    cell_tables: Sequence[AnyPath],
    fields: FieldFacts,
    classes: Sequence[str],
    negative: int | None,
    settings: TargetSettings,
    graded: AnyPath | None = None,
) -> None:
    """Write the targets of the cells of a data set (Parquet `ID, cell, fold, p00 ...`), and log what they are.

    See `target_table`. graded: table of graded cells, which overrule predictions, see `overruled`; None: there is none.
    Raises UserError if a data set with labels has no cell to learn from.
    """
    columns = ["ID", "cell", "border_quality", "outlier_quality"]
    cells = pd.concat([read_parquet(table, columns) for table in cell_tables], ignore_index=True)
    table, left_out = target_table(cells, teachers, fields, negative=negative, settings=settings)
    reasons = "; ".join(f"{reason}: {count}" for reason, count in left_out.items() if count)
    log.info(
        "%s: targets of %d of %d cells; left out: %s", dataset, len(table), len(cells), reasons or "none"
    )
    if graded is not None:
        folds = None if fields.fold is None else fields.fold.to_dict()
        table = overruled(table, read_parquet(graded), folds, negative)
    if not len(table):
        text = f"data set {dataset}: none of its {len(cells)} cells is left to learn from ({reasons or 'no cells'})"
        if fields.fold is not None:
            raise UserError(f"{text}; see the keys of `targets` of the stage")
        log.warning("%s", text)
    _log_classes(dataset, table, classes, fields.present)
    write_parquet(path, table)


def target_table(
    cells: pd.DataFrame,
    teachers: Sequence[TeacherTables],
    fields: FieldFacts,
    *,
    negative: int | None,
    settings: TargetSettings,
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Return the table `ID, cell, fold, p00 ...` of the cells that are used, and how many were left out, by reason.

    cells: `ID, cell, border_quality, outlier_quality`; the rows of the result are in this order. `fold` is that of the
    field, 0 without labels. Targets are float32 in [0, 1]; NaN where a class does not count. Raises UserError if a
    table has predictions by a network that was trained on the field, ValueError if predictions of a cell are missing.
    """
    left_out: dict[str, int] = {}

    def keep(reason: str, kept: Any, *arrays: np.ndarray) -> list[np.ndarray]:
        nonlocal cells
        left_out[reason] = int(np.count_nonzero(~kept))
        cells = cells[kept]
        return [array[kept] for array in arrays]

    if fields.fold is not None:
        keep("fields without labels", cells["ID"].isin(fields.fold.index).to_numpy())
    keep("fields like those a teacher has seen", ~cells["ID"].isin(list(fields.shared)).to_numpy())
    keep("low quality", cell_quality(cells) >= settings.least_quality)

    values = np.stack([_predictions(teacher, cells, fields.fold) for teacher in teachers])
    present = None
    if fields.present is not None:
        present = fields.present.reindex(cells["ID"]).to_numpy() > 0
    weights = np.array([teacher.weight for teacher in teachers], np.float64)
    targets = soft_targets(values, weights, settings.combine, present=present, negative=negative)
    if present is None:
        (targets,) = keep("unsure", (targets >= settings.least_confidence).any(axis=1), targets)
    if settings.divide_by_largest:
        (targets,) = keep("no class", targets.any(axis=1), targets)
        targets = targets / targets.max(axis=1, keepdims=True, initial=0)
    if settings.ignore is not None:
        low, high = settings.ignore
        targets = np.where((targets > low) & (targets < high), np.nan, targets)
    folds = np.zeros(len(cells)) if fields.fold is None else fields.fold.loc[cells["ID"]].to_numpy()
    keys = {
        "ID": cells["ID"].to_numpy(dtype=object),
        "cell": cells["cell"].to_numpy(np.int32),
        "fold": folds.astype(np.int32),
    }
    return probability_table(keys, targets), left_out


def soft_targets(
    values: np.ndarray, weights: np.ndarray, how: str, *, present: np.ndarray | None, negative: int | None
) -> np.ndarray:
    """Targets (n, C) in [0, 1] of cells, before they are scaled.

    values: predictions (teachers, n, C); weights: (teachers,). present: (n, C) bool, the labels of each cell's field;
    None without labels. negative: index of the class Negative, or None. The teachers are joined by their weighted
    arithmetic (`how` = mean) or geometric mean (product); a class that all of them give 0 stays 0, and so do classes
    that the field lacks. Negative is what is left, 1 - the largest other class, if the field has this label or if there
    are no labels.
    """
    joined = join(values, weights / weights.sum(), how)
    joined[(values == 0).all(axis=0)] = 0
    if present is not None:
        joined[~present] = 0
    if negative is not None:
        rest = 1 - np.delete(joined, negative, axis=1).max(axis=1, initial=0)
        joined[:, negative] = rest if present is None else np.where(present[:, negative], rest, 0)
    return joined


def _predictions(teacher: TeacherTables, cells: pd.DataFrame, fold: pd.Series | None) -> np.ndarray:
    """Class values (n, C) float64 of a teacher for these cells."""
    if teacher.unseen:
        tables = [_read(path) for path in teacher.unseen]
    else:
        if fold is None:
            raise ValueError(
                "fields without labels have no folds, so none of a teacher's networks held them out"
            )
        tables = [_held_out(path, number, fold) for number, path in teacher.held_out.items()]
    table = pd.concat(tables, ignore_index=True)
    table = table.merge(cells[KEYS], on=KEYS)
    return aligned(table, cells, class_columns(table), KEYS, "teacher")


def _held_out(path: AnyPath, number: int, fold: pd.Series) -> pd.DataFrame:
    """The rows of the data set in the table that the network of a fold predicted."""
    table = _read(path)
    table = table[table["ID"].isin(fold.index)]
    seen = table["ID"][fold.loc[table["ID"]].to_numpy() != number]
    if len(seen):
        first = seen.iloc[0]
        raise UserError(
            f"{path}: the field {first} is in fold {fold[first]}, so the network of fold {number} was trained on it "
            "and cannot teach; remove this table, so that it is made again"
        )
    return table


def _read(path: AnyPath) -> pd.DataFrame:
    return read_csv(path) if Path(path).suffix == ".csv" else read_parquet(path)


def _log_classes(
    dataset: str, table: pd.DataFrame, classes: Sequence[str], present: pd.DataFrame | None
) -> None:
    """Log the mean target of each class, and warn of labels that no cell shows."""
    values = table[class_columns(table)]
    means = values.mean().fillna(0).to_numpy()
    named = ", ".join(f"{name} {mean:.3f}" for name, mean in zip(classes, means, strict=True))
    log.info("%s: mean targets: %s", dataset, named)
    if present is None:
        return
    labelled = (present > 0).any().to_numpy()
    shown = (values > 0.5).any().to_numpy()
    lost = [name for name, known, seen in zip(classes, labelled, shown, strict=True) if known and not seen]
    if lost:
        log.warning("%s: no cell has a target above 0.5 for: %s", dataset, ", ".join(lost))
