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

    In this order: the members are combined, combined with the probabilities of the field, Negative is read, the other
    classes are suppressed by it, all are multiplied by the cell's quality, and limits and thresholds are applied.
    cell_table: one row per cell with `ID, cell`, and with `border_quality, outlier_quality` if the settings use them.
    members: tables `ID, cell, p00 ...` of exactly these cells, in any order, with weights that need not sum to 1, in
    the order of `settings.members`, whose steps and weights of single classes count.
    image_probabilities: `ID, p00 ...` of the fields, required for image fusion with `source: image`. negative: index of
    the class Negative, None if there is none. Raises ValueError if members differ in their cells or classes, or if the
    settings need an input that is not given.
    """
    if not members:
        raise ValueError("an ensemble needs at least one member")
    columns = class_columns(members[0][0])
    values = np.stack([aligned(table, cell_table, columns, ["ID", "cell"], "member") for table, _ in members])
    _check_classes(settings, len(columns), negative)
    weights = member_weights([weight for _, weight in members], settings, len(columns))
    joined = join(values, weights / weights.sum(axis=0), settings.combine)
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
    if negative is not None:
        joined[:, negative] = read_negative(joined, values, weights, settings, negative=negative)
        if settings.suppress_by_negative:
            others = np.arange(len(columns)) != negative
            joined[:, others] *= (1 - joined[:, [negative]]) ** settings.suppress_by_negative
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


def member_weights(weights: Sequence[float], settings: EnsembleSettings, classes: int) -> np.ndarray:
    """Weights of the members: (members,) float64, or (members, C) if some have weights of single classes.

    Raises ValueError for weights of 0 or less, and if the settings tell more of the members and have another number.
    """
    plain = np.array(weights, np.float64)
    if not (plain > 0).all():
        raise ValueError(f"weights of members must be above 0, found {plain.tolist()}")
    own = [member.classes for member in settings.members]
    if (any(own) or settings.negative == "step2") and len(own) != len(plain):
        raise ValueError(f"{len(plain)} tables of members, but the settings name {len(own)} members")
    if not any(own):
        return plain
    found = np.repeat(plain[:, None], classes, axis=1)
    for row, replaced in zip(found, own, strict=True):
        for index, weight in replaced.items():
            row[int(index)] = weight
    without = np.flatnonzero(found.sum(axis=0) == 0).tolist()
    if without:
        raise ValueError(f"all members have the weight 0 for the classes {without}")
    return found


def fuse(cells: np.ndarray, of_field: np.ndarray, settings: ImageFusion) -> np.ndarray:
    """Combine the values of cells (n, C) with those of their fields (n, C)."""
    weights = np.array([settings.weight, 1 - settings.weight])
    if settings.class_weights:
        weights = np.repeat(weights[:, None], cells.shape[1], axis=1)
        for index, weight in settings.class_weights.items():
            weights[:, int(index)] = weight, 1 - weight
    values = join(np.stack([cells, of_field]), weights, settings.how)
    excepted = [int(index) for index in settings.except_classes]
    values[:, excepted] = cells[:, excepted]
    return values


def read_negative(
    joined: np.ndarray, values: np.ndarray, weights: np.ndarray, settings: EnsembleSettings, *, negative: int
) -> np.ndarray:
    """Probability (n,) of the class Negative, as the setting `negative` has it.

    joined: (n, C), combined with the field. values: (members, n, C). weights: (members,) or (members, C). Raises
    UserError if no member of step 2 has a weight above 0 for Negative and `negative` is `step2`.
    """
    if settings.negative == "own":
        return joined[:, negative]
    others = np.delete(np.arange(values.shape[2]), negative)
    if settings.negative == "one_minus_max":
        return (1 - joined[:, others]).min(axis=1)
    if settings.negative == "min_complement":
        if weights.ndim == 2:
            # Members that have no say in a class do not count in its highest probability.
            values = np.where(weights[:, None, :] > 0, values, 0)
        return (1 - values[:, :, others]).min(axis=(0, 2))
    own = weights[:, negative] if weights.ndim == 2 else weights
    if settings.negative == "step2":
        own = np.where([member.step == 2 for member in settings.members], own, 0)
        if not own.sum() > 0:
            raise UserError("ensemble.negative is step2, but no member of step 2 has a weight for Negative")
    return np.einsum("m,mn->n", own / own.sum(), values[:, :, negative])


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
        ("image_fusion.class_weights", settings.image_fusion.class_weights if settings.image_fusion else {}),
        ("members.classes", [index for member in settings.members for index in member.classes]),
        ("class_thresholds", settings.class_thresholds),
    ):
        unknown = [index for index in indices if not (isinstance(index, int) and 0 <= index < classes)]
        if unknown:
            problems.append(f"ensemble.{key} names {unknown}, but the classes are 0 to {classes - 1}")
    if negative is None:
        problems += [f"ensemble.{line}" for line in settings.needs_negative()]
    if problems:
        raise UserError("; ".join(problems))
