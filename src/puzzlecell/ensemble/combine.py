"""Combine the cell probabilities of several models and steps, then adjust them by field and cell quality."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from puzzlecell.config.base import class_limit
from puzzlecell.config.ensemble import EnsembleSettings, ImageFusion
from puzzlecell.data.cell_predictions import aligned, cell_quality, join
from puzzlecell.data.tables import class_columns
from puzzlecell.errors import UserError


def ensemble_cells(
    cell_table: pd.DataFrame,
    members: Sequence[tuple[pd.DataFrame, float]],
    image_probabilities: pd.DataFrame | None,
    settings: EnsembleSettings,
    *,
    negative: int | None,
) -> pd.DataFrame:
    """Return the cell table with the ensemble's columns `p00 ...` (float32).

    The members are combined, then adjusted in the order of the settings.
    cell_table: one row per cell with `ID, cell`, and with `border_quality, outlier_quality` if the settings use them.
    members: tables `ID, cell, p00 ...` of exactly these cells, in any order, with weights that need not sum to 1.
    image_probabilities: `ID, p00 ...` of the fields, required for image fusion with `source: image`. negative: index of
    the class Negative, None if there is none. Raises ValueError if members differ in their cells or classes, or if the
    settings need an input that is not given.
    """
    if not members:
        raise ValueError("an ensemble needs at least one member")
    columns = class_columns(members[0][0])
    values = np.stack([aligned(table, cell_table, columns, ["ID", "cell"], "member") for table, _ in members])
    weights = np.array([weight for _, weight in members], np.float64)
    if not (weights > 0).all():
        raise ValueError(f"weights of members must be above 0, found {weights.tolist()}")
    _check_classes(settings, len(columns), negative)
    joined = join(values, weights / weights.sum(), settings.combine)
    fields, field_of_cell = np.unique(cell_table["ID"].to_numpy(dtype=object), return_inverse=True)
    if settings.image_fusion is not None:
        of_field = _field_values(
            joined,
            cell_table,
            field_of_cell,
            settings.image_fusion,
            columns=columns,
            image_probabilities=image_probabilities,
        )
        joined = fuse(joined, of_field, settings.image_fusion)
    if negative is not None and settings.negative != "own":
        others = np.delete(np.arange(len(columns)), negative)
        source = joined[None] if settings.negative == "one_minus_max" else values
        joined[:, negative] = (1 - source[:, :, others]).min(axis=(0, 2))
    quality = cell_quality(cell_table, border=settings.border_quality, outlier=settings.outlier_quality)
    joined *= quality[:, None]
    most = class_limit(settings.max_classes, len(columns))
    joined = keep_classes(joined, field_of_cell, len(fields), most)
    thresholds = np.full(len(columns), settings.threshold)
    for index, threshold in settings.class_thresholds.items():
        thresholds[index] = threshold
    joined[joined < thresholds] = 0
    probabilities = pd.DataFrame(joined.astype(np.float32), columns=columns, index=cell_table.index)
    return pd.concat([cell_table, probabilities], axis=1)


def fuse(cells: np.ndarray, of_field: np.ndarray, settings: ImageFusion) -> np.ndarray:
    """Combine the values of cells (n, C) with those of their fields (n, C)."""
    values = join(np.stack([cells, of_field]), np.array([settings.weight, 1 - settings.weight]), settings.how)
    excepted = [int(index) for index in settings.except_classes]
    values[:, excepted] = cells[:, excepted]
    return values


def keep_classes(values: np.ndarray, field_of_cell: np.ndarray, fields: int, most: int) -> np.ndarray:
    """Values (n, C) with only the `most` highest classes of each field kept and the others set to 0.

    Classes are ranked by their highest cell in the field.
    """
    if most >= values.shape[1]:
        return values
    highest = np.zeros((fields, values.shape[1]))
    np.maximum.at(highest, field_of_cell, values)
    dropped = np.argsort(-highest, axis=1, kind="stable")[:, most:]
    keep = np.ones(highest.shape, bool)
    np.put_along_axis(keep, dropped, False, axis=1)
    return np.where(keep[field_of_cell], values, 0)


def mean_table(members: Sequence[tuple[pd.DataFrame, float]], key: Sequence[str] = ("ID",)) -> pd.DataFrame:
    """Weighted mean of tables with the same keys and classes, such as field probabilities of several models.

    Rows are in the order of the first table. Raises ValueError if the keys or classes of the tables differ.
    """
    first = members[0][0]
    columns, keys = class_columns(first), list(key)
    weights = np.array([weight for _, weight in members], np.float64)
    values = np.stack([aligned(table, first, columns, keys, "table") for table, _ in members])
    mean = np.einsum("m,mnc->nc", weights / weights.sum(), values).astype(np.float32)
    return pd.concat([first[keys], pd.DataFrame(mean, columns=columns, index=first.index)], axis=1)


def _field_values(
    joined: np.ndarray,
    cell_table: pd.DataFrame,
    field_of_cell: np.ndarray,
    settings: ImageFusion,
    *,
    columns: list[str],
    image_probabilities: pd.DataFrame | None,
) -> np.ndarray:
    """Value (n, C) of each cell's field: the mean of its valid cells (of all, if none is), or the network's own."""
    if settings.source == "image":
        if image_probabilities is None:
            raise ValueError("ensemble.image_fusion.source is image, so image probabilities are required")
        if class_columns(image_probabilities) != columns:
            raise ValueError("the image probabilities have other classes than the ensemble members")
        by_field = image_probabilities.set_index("ID")[columns]
        absent = sorted(set(cell_table["ID"]) - set(by_field.index))
        if absent:
            raise ValueError(f"image probabilities are missing for {len(absent)} fields, such as {absent[0]}")
        return by_field.loc[cell_table["ID"]].to_numpy(np.float64)
    valid = (cell_quality(cell_table) >= settings.valid_quality).astype(np.float64)
    count = np.bincount(field_of_cell, valid)
    weights = np.where(count[field_of_cell] > 0, valid, 1.0)
    count = np.bincount(field_of_cell, weights)
    sums = np.stack([np.bincount(field_of_cell, weights * column) for column in joined.T], axis=1)
    return (sums / count[:, None])[field_of_cell]


def _check_classes(settings: EnsembleSettings, classes: int, negative: int | None) -> None:
    """Raise ValueError if the settings refer to classes that do not exist."""
    problems = []
    excepted = settings.image_fusion.except_classes if settings.image_fusion else ()
    for key, indices in (
        ("image_fusion.except_classes", excepted),
        ("class_thresholds", settings.class_thresholds),
    ):
        unknown = [index for index in indices if not (isinstance(index, int) and 0 <= index < classes)]
        if unknown:
            problems.append(f"ensemble.{key} names {unknown}, but the classes are 0 to {classes - 1}")
    if negative is None and settings.negative != "own":
        problems.append(
            f"ensemble.negative is {settings.negative}, but the configuration names no negative class"
        )
    if problems:
        raise UserError("; ".join(problems))
