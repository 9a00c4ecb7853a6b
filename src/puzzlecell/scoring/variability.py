"""How much the cells of a field, and of all fields of an antibody, differ in what they show."""

import logging
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from puzzlecell.config.fields import per_class
from puzzlecell.config.variability import VariabilitySettings
from puzzlecell.data.folds import group_keys
from puzzlecell.data.tables import class_columns, write_csv
from puzzlecell.errors import UserError
from puzzlecell.runtime.messages import first_few
from puzzlecell.scoring.cell_truth import KnownCells
from puzzlecell.scoring.error_rates import ErrorRates, all_or_none, discoveries, error_rates

ALL = "all"
"""All classes together, in the column `class`."""
FIELD = "field"

log = logging.getLogger(__name__)


def write_variability(
    path: str | os.PathLike,
    answer: pd.DataFrame,
    known: Mapping[str, KnownCells],
    names: Sequence[str],
    settings: VariabilitySettings,
    *,
    group: str | None,
) -> None:
    """Write the table of `variability_table` (CSV).

    answer: the ensembled cells with the metadata of their fields. known: data set -> cells predicted by models that
    have not seen them; without any, nothing is tested, which the log says. group: the setting `folds.group`.
    """
    rates = measured_errors(known, names, settings)
    write_csv(path, variability_table(answer, rates, names, settings, group=group))


def measured_errors(
    known: Mapping[str, KnownCells], names: Sequence[str], settings: VariabilitySettings
) -> list[ErrorRates | None]:
    """Errors of each class; None where they are not known, which the log says, as it says the rates."""
    if not known:
        log.warning(
            "no cells with known classes (ground truth or grades of training or holdout sets), so it is not tested "
            "whether cells differ more than errors alone would explain"
        )
        return [None] * len(names)
    parts = [(name, found, usable(found.cells, settings)) for name, found in known.items()]
    rates = error_rates(
        np.concatenate([called(found.cells[kept], settings, len(names)) for _, found, kept in parts]),
        np.concatenate([found.truth[kept] for _, found, kept in parts]),
        np.concatenate(
            [f"{name}/" + found.cells["ID"][kept].to_numpy(object) for name, found, kept in parts]
        ),
        least=settings.least_known,
    )
    for name, rate in zip(names, rates, strict=True):
        if rate is not None:
            one, other = rate.sensitivity, rate.false_calls
            log.info(
                "%s: called in %.1f %% of %d cells that show it (correlation within fields %.2f), and in %.1f %% of %d "
                "cells of fields without it (%.2f)",
                name,
                100 * one.mean,
                one.cells,
                one.correlation,
                100 * other.mean,
                other.cells,
                other.correlation,
            )
    without = [name for name, rate in zip(names, rates, strict=True) if rate is None]
    if without:
        log.warning(
            "too few cells with known classes for %s (%d of %d classes), which are not tested",
            first_few(without, 4),
            len(without),
            len(names),
        )
    return rates


def usable(cells: pd.DataFrame, settings: VariabilitySettings) -> np.ndarray:
    """Cells (n,) bool of sufficient quality."""
    quality = cells["border_quality"].to_numpy(np.float64) * cells["outlier_quality"].to_numpy(np.float64)
    return quality >= settings.least_quality


def probabilities(cells: pd.DataFrame) -> np.ndarray:
    """Probabilities (n, C) float64 of a table of cells: the calibrated ones, if it has them."""
    columns = class_columns(cells)
    calibrated = [f"c{name[1:]}" for name in columns]
    return cells[calibrated if set(calibrated) <= set(cells.columns) else columns].to_numpy(np.float64)


def called(cells: pd.DataFrame, settings: VariabilitySettings, classes: int) -> np.ndarray:
    """Classes (n, C) bool that count as shown."""
    return probabilities(cells) >= np.array(per_class(settings.thresholds, classes))


def groups_of(
    answer: pd.DataFrame, settings: VariabilitySettings, group: str | None
) -> Iterator[tuple[str, np.ndarray]]:
    """Levels, each with the name (n,) of each cell's group: fields, and groups of fields if there are any.

    Raises UserError for a column `variability.group` that the answer does not have.
    """
    ids = answer["ID"].to_numpy(object)
    yield FIELD, ids
    column = settings.group or ("antibody" if "antibody" in answer else None)
    if column is not None:
        metadata = [name for name in answer.columns if pd.api.types.is_string_dtype(answer[name])]
        if column not in metadata:
            raise UserError(
                f"variability.group: the fields have no metadata {column!r}; they have {', '.join(metadata)}"
            )
        # Fields without a value, such as those of a blank well, are no group.
        values = answer[column].to_numpy(object, copy=True)
        values[values == ""] = None
        yield column, values
    elif group is not None:
        of_field = dict(zip(pd.unique(ids), group_keys(pd.unique(ids), group), strict=True))
        if len(set(of_field.values())) < len(of_field):
            yield "group", np.array([of_field[field_id] for field_id in ids], dtype=object)


def variability_table(
    answer: pd.DataFrame,
    rates: Sequence[ErrorRates | None],
    names: Sequence[str],
    settings: VariabilitySettings,
    *,
    group: str | None,
) -> pd.DataFrame:
    """Return one row for each level, group and class that one of the group's cells shows, and one for all classes.

    `level` is `field`, or what the fields are grouped by; `name` the field or group. `cells` counts those of sufficient
    quality. `mean_probability` is their mean, `share` the fraction that reaches the threshold, `entropy` in bits is
    that of the share, -s log2 s - (1 - s) log2 (1 - s): 1 if half of the cells show the class, 0 if all do; in the row
    `all`, it is that of the distribution of all calls over the classes, 0 if the cells show one class only. Their
    intervals are those of a bootstrap over the group's cells. `p_value` is that of all cells showing the class, or
    none, given the measured errors; `varies` says whether it is rejected, at a false discovery rate over the level.
    Both are empty where the errors are not known. Groups without a usable cell have no row.
    """
    kept = usable(answer, settings)
    cells = answer[kept]
    values, shows = probabilities(cells), called(cells, settings, len(names))
    parts = []
    for level, keys in groups_of(cells, settings, group):
        rows = [
            row
            for name, members in pd.Series(np.arange(len(keys))).groupby(keys, sort=True).groups.items()
            for row in _rows(str(name), values[members], shows[members], names, settings)
        ]
        table = pd.DataFrame(rows, columns=["name", *COLUMNS])
        table.insert(0, "level", level)
        parts.append(_tested(table, rates, names, settings))
    return pd.concat(parts, ignore_index=True)


COLUMNS = (
    "class",
    "cells",
    "mean_probability",
    "share",
    "share_low",
    "share_high",
    "entropy",
    "entropy_low",
    "entropy_high",
)


def _rows(
    name: str,
    values: np.ndarray,
    shows: np.ndarray,
    names: Sequence[str],
    settings: VariabilitySettings,
) -> Iterator[tuple]:
    """Rows of one group: cells with probabilities (n, C) and what they show (n, C) bool."""
    cells = len(shows)
    # A generator of its own, so that a group's interval does not depend on the other groups.
    random = np.random.default_rng([settings.seed, zlib.crc32(name.encode())])
    draws = random.multinomial(cells, np.full(cells, 1 / cells), settings.bootstrap)
    shares, drawn = shows.mean(axis=0), draws @ shows / cells
    tails = (0.5 - settings.interval / 2, 0.5 + settings.interval / 2)
    over_classes = class_entropy(drawn)
    known = ~np.isnan(over_classes)
    ends = np.quantile(over_classes[known], tails) if known.any() else (np.nan, np.nan)
    yield (name, ALL, cells, *[np.nan] * 4, class_entropy(shares[None])[0], *ends)
    for index in np.flatnonzero(shares > 0).tolist():
        entropy = binary_entropy(drawn[:, index])
        yield (
            name,
            names[index],
            cells,
            values[:, index].mean(),
            shares[index],
            *np.quantile(drawn[:, index], tails),
            binary_entropy(shares[[index]])[0],
            *np.quantile(entropy, tails),
        )


def _tested(
    table: pd.DataFrame,
    rates: Sequence[ErrorRates | None],
    names: Sequence[str],
    settings: VariabilitySettings,
) -> pd.DataFrame:
    """The table of a level with `p_value` and `varies`."""
    p_values = np.full(len(table), np.nan)
    for name, rate in zip(names, rates, strict=True):
        rows = np.flatnonzero(table["class"] == name)
        if rate is not None and len(rows):
            cells = table["cells"].to_numpy(int)[rows]
            shown = np.rint(table["share"].to_numpy(np.float64)[rows] * cells).astype(int)
            p_values[rows] = all_or_none(shown, cells, rate)
    known = ~np.isnan(p_values)
    varies = np.full(len(table), "", dtype=object)
    # A class that no cell of a group is called for has no row, but its p value of 1 counts.
    tests = table["name"].nunique() * sum(rate is not None for rate in rates)
    rejected = discoveries(p_values[known], settings.false_discovery, tests=tests)
    varies[known] = np.where(rejected, "yes", "no")
    return table.assign(p_value=p_values, varies=varies)


def binary_entropy(shares: np.ndarray) -> np.ndarray:
    """Entropy (n,) in bits of shares (n,): 0 where all cells show a class or none, 1 where half of them do."""
    return _bits(shares) + _bits(1 - shares)


def class_entropy(shares: np.ndarray) -> np.ndarray:
    """Entropy (n,) in bits of calls over the classes, from the shares (n, C) of cells; NaN without any call."""
    total = shares.sum(axis=1, keepdims=True)
    parts = np.divide(shares, total, out=np.full(shares.shape, np.nan), where=total > 0)
    return _bits(parts).sum(axis=1)


def _bits(shares: np.ndarray) -> np.ndarray:
    """-s log2 s of shares, 0 at 0."""
    return -shares * np.log2(np.where(shares > 0, shares, 1)) + 0.0
