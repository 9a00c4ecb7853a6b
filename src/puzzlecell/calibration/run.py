"""The files of a calibration: its curves and thresholds, and how far the probabilities are from the truth."""

import logging
import os
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from puzzlecell.calibration.curves import Isotonic, Platt
from puzzlecell.calibration.error import Reliability, reliability
from puzzlecell.calibration.fit import (
    NONE,
    ClassCalibration,
    CrossFitted,
    call_quality,
    cross_fit,
    described,
    fit_classes,
)
from puzzlecell.calibration.plot import write_reliability_picture
from puzzlecell.config.calibration import CalibrationSettings
from puzzlecell.config.score import ScoreSettings
from puzzlecell.data.calibration_table import knots_text
from puzzlecell.data.folds import group_keys
from puzzlecell.data.tables import class_columns, write_csv
from puzzlecell.errors import UserError

AnyPath = str | os.PathLike
ALL = "all"
"""All classes together, in the table of reliability."""
WHEN = ("before", "after")
PARTS = 5
"""Parts that fields in no fold are divided into for cross-fitting."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CalibrationFiles:
    """Where the results go: `table` is what is applied (CSV), `reliability` its bins (CSV), `picture` a plot (PNG)."""

    table: AnyPath
    reliability: AnyPath
    picture: AnyPath


def write_calibration(
    files: CalibrationFiles,
    known: Mapping[str, tuple[pd.DataFrame, np.ndarray]],
    names: Sequence[str],
    settings: CalibrationSettings,
    *,
    score: ScoreSettings,
    folds: int,
    group: str | None,
) -> None:
    """Fit the calibration of every class and write it, with its error on cells that it was not fitted on.

    known: data set -> cells with `ID, fold, p00 ...`, predicted out of fold, and their truth (n, C) in 1, 0, and NaN
    where it is not known. score: settings of the bootstrap. folds, group: number of folds and `folds.group`, for
    `parts_of`. Raises UserError if no class has enough cells, or if all cells are in one part.
    """
    # Numbers in place of the names of fields, of which there may be millions.
    fields = np.unique(np.concatenate([_named(*entry) for entry in known.items()]), return_inverse=True)[1]
    parts = np.concatenate([parts_of(cells, folds, group) for cells, _ in known.values()])
    values = np.concatenate([cells[class_columns(cells)].to_numpy(np.float64) for cells, _ in known.values()])
    truth = np.concatenate([shows for _, shows in known.values()])
    for dataset, (cells, _) in known.items():
        log.info("%s: %d cells of %d fields are known", dataset, len(cells), cells["ID"].nunique())
    fitted = fit_classes(values, truth, settings)
    sentence = described(fitted, names)
    if sentence:
        log.warning("%s", sentence)
    usable = np.array([found.method != NONE for found in fitted])
    if not usable.any():
        raise UserError(
            f"no class can be calibrated: {len(values)} cells of {', '.join(known)} are known, and no class has "
            f"{settings.least_cells} that show it and as many that do not (calibration.least_cells); more cells with "
            "known classes are needed"
        )
    if len(np.unique(parts)) < 2:
        raise UserError(
            f"the {len(values)} cells of {', '.join(known)} whose classes are known are all of one fold or group of "
            "fields, so the calibration cannot be measured on others; expected cells of at least two"
        )
    crossed = cross_fit(values, truth, parts, [found.method for found in fitted], settings)
    # Cells that no other part can calibrate say nothing about the calibration.
    measured = np.where(np.isnan(crossed.values), np.nan, truth)
    bins = {
        (name, when): reliability(
            table[:, chosen].ravel(),
            measured[:, chosen].ravel(),
            np.repeat(fields, int(np.sum(chosen))),
            bins=settings.bins,
            settings=score,
        )
        for name, chosen in [(ALL, usable), *zip(names, np.eye(len(names), dtype=bool), strict=True)]
        for when, table in zip(WHEN, (values, crossed.values), strict=True)
    }
    write_csv(files.table, calibration_table(fitted, crossed, measured, names, bins), digits=None)
    write_csv(files.reliability, reliability_table(bins))
    write_reliability_picture(files.picture, bins, [ALL, *names])
    before, after = (bins[ALL, when] for when in WHEN)
    log.info(
        "expected calibration error of the %d calibrated classes together: %.4f before, %.4f after (%g %% interval "
        "%.4f to %.4f), on cells that the calibration was not fitted on",
        usable.sum(),
        before.error,
        after.error,
        100 * score.interval,
        after.error_low,
        after.error_high,
    )


def parts_of(cells: pd.DataFrame, folds: int, group: str | None) -> np.ndarray:
    """Part (n,) of each cell for cross-fitting: the fold of its field.

    Fields in no fold are divided into `PARTS` further parts by a checksum of their group.
    """
    ids = cells["ID"].unique().tolist()
    of_field = {
        field_id: folds + 1 + zlib.crc32(key.encode()) % PARTS
        for field_id, key in zip(ids, group_keys(ids, group), strict=True)
    }
    given = cells["fold"].to_numpy()
    return np.where(given > 0, given, cells["ID"].map(of_field).to_numpy("int64"))


def calibration_table(
    fitted: Sequence[ClassCalibration],
    crossed: CrossFitted,
    measured: np.ndarray,
    names: Sequence[str],
    bins: Mapping[tuple[str, str], Reliability],
) -> pd.DataFrame:
    """A row per class: its curve, what it rests on, its threshold, and both measured by cross-fitting.

    measured: (n, C) truth of the cells of `crossed`, NaN where it is not known or nothing was calibrated.
    """
    rows = []
    for index, (name, found) in enumerate(zip(names, fitted, strict=True)):
        platt = found.curve if isinstance(found.curve, Platt) else None
        precision, recall, f1 = call_quality(crossed.called[:, index], measured[:, index])
        errors = {}
        for when in WHEN:
            of_class = bins[name, when]
            ends = (of_class.error, of_class.error_low, of_class.error_high)
            for ending, value in zip(("", "_low", "_high"), ends, strict=True):
                errors[f"ece_{when}{ending}"] = round(value, 6)
        rows.append(
            {
                "class": name,
                "method": found.method,
                "cells": found.cells,
                "positives": found.positives,
                "slope": platt and platt.slope,
                "intercept": platt and platt.intercept,
                "knots": knots_text(found.curve.knots) if isinstance(found.curve, Isotonic) else "",
                "threshold": found.threshold,
                "precision": round(precision, 4),
                "recall": round(recall, 4),
                "f1": round(f1, 4),
                **errors,
                "note": found.note,
            }
        )
    return pd.DataFrame(rows)


def reliability_table(bins: Mapping[tuple[str, str], Reliability]) -> pd.DataFrame:
    """A row per class (`all` first), before and after, and bin."""
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "class": name,
                    "when": when,
                    "bin": found.bins.astype(int),
                    "cells": found.cells.astype(int),
                    "predicted": found.predicted,
                    "observed": found.observed,
                    "low": found.low,
                    "high": found.high,
                }
            )
            for (name, when), found in bins.items()
        ],
        ignore_index=True,
    )


def _named(dataset: str, known: tuple[pd.DataFrame, np.ndarray]) -> np.ndarray:
    """Field of each cell, with the name of its data set."""
    return np.array([f"{dataset}/{field_id}" for field_id in known[0]["ID"]], dtype=object)
