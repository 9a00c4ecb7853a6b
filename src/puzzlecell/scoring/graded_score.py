"""Score per cell on a user's own data: predictions against the grades that people gave to cells.

The rows are cells of the masks of the run, so that neither segmentation nor detection counts: a class is right where
graded cells that show it have higher probabilities than graded cells that lack it.

Cells that were graded because they are uncertain or confident are no sample of all cells, and a score on them says how
good the predictions are for such cells. Cells of the random queue are a uniform sample: their score holds for all cells
of the data set, and so does the share of them that shows a class.
"""

import logging
import os

import numpy as np
import pandas as pd

from puzzlecell.config.class_table import read_classes
from puzzlecell.config.score import ScoreSettings
from puzzlecell.data.tables import class_columns, read_parquet, write_csv
from puzzlecell.errors import UserError
from puzzlecell.teaching.graded_cells import SHOWN, grades_of, queue_columns
from puzzlecell.teaching.grades import RANDOM

log = logging.getLogger(__name__)

AnyPath = str | os.PathLike
MEASURES = ("ap", "auc")
ALL = "all"
"""Stands for the cells of all queues in the column `queue`."""


def graded_score(
    values: np.ndarray, grades: np.ndarray, fields: np.ndarray, settings: ScoreSettings
) -> pd.DataFrame:
    """Return `class, cells, positives, ap, low, high, auc, auc_low, auc_high`, a row per class and one for the mean.

    values: (n, C) probabilities of the graded cells. grades: (n, C) soft values, NaN: not graded. fields: (n,) the
    field of each cell. cells: graded cells of the class; positives: those with a soft value of at least 0.5. ap:
    average precision without interpolation; auc: area under the ROC curve, the chance that a cell which shows the class
    ranks above one which lacks it. Both depend on the order of the probabilities alone. They are NaN for classes
    without positives or without negatives, which the mean leaves out; its counts are sums over classes. low, high: ends
    of the bootstrap interval over fields, as in `score`.
    """
    numbers, draws = drawn_fields(fields, settings)
    classes = values.shape[1]
    found = np.full((len(MEASURES), len(draws), classes), np.nan)
    cells, positives = np.zeros((2, classes), np.int64)
    for index in range(classes):
        graded = ~np.isnan(grades[:, index])
        shows = grades[graded, index] >= SHOWN
        cells[index], positives[index] = graded.sum(), shows.sum()
        if 0 < positives[index] < cells[index]:
            found[:, :, index] = _ranked(values[graded, index], shows, draws[:, numbers[graded]])
    judged = ~np.isnan(found[0, 0])
    mean = np.full((len(MEASURES), len(draws), 1), np.nan)
    if judged.any():
        # A class of which a draw has no cell says nothing in this draw.
        drawn = found[:, :, judged]
        known = ~np.isnan(drawn)
        sums, counts = np.where(known, drawn, 0).sum(axis=2), known.sum(axis=2)
        mean[:, :, 0] = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
    found = np.concatenate([found, mean], axis=2)
    table = pd.DataFrame(
        {"cells": np.append(cells, cells.sum()), "positives": np.append(positives, positives.sum())}
    )
    for measure, name in enumerate(MEASURES):
        prefix = "" if name == "ap" else f"{name}_"
        low, high = interval_of(found[measure, 1:], settings.interval)
        table[name], table[f"{prefix}low"], table[f"{prefix}high"] = found[measure, 0], low, high
    return table


def shares(grades: np.ndarray, fields: np.ndarray, settings: ScoreSettings) -> pd.DataFrame:
    """Return `share, share_low, share_high`, a row per class: the share of the graded cells that show it.

    grades, fields, and the interval: as in `graded_score`. NaN for classes that nobody graded. It estimates the share
    among all cells only if the graded ones are a random sample of them.
    """
    numbers, draws = drawn_fields(fields, settings)
    graded = ~np.isnan(grades)
    shown = np.where(graded, grades, 0) >= SHOWN
    drawn = draws[:, numbers]
    positives, cells = drawn @ shown.astype(np.int64), drawn @ graded.astype(np.int64)
    found = np.divide(positives, cells, out=np.full(cells.shape, np.nan), where=cells > 0)
    low, high = interval_of(found[1:], settings.interval)
    return pd.DataFrame({"share": found[0], "share_low": low, "share_high": high})


def drawn_fields(fields: np.ndarray, settings: ScoreSettings) -> tuple[np.ndarray, np.ndarray]:
    """Number (n,) of the field of each cell, and how often each field is drawn (draws, F): once, then by bootstrap."""
    _, numbers = np.unique(fields, return_inverse=True)
    total = int(numbers.max(initial=-1)) + 1
    draws = np.ones((1, total), np.int64)
    if settings.bootstrap and total:
        random = np.random.default_rng(settings.seed)
        more = random.multinomial(total, np.full(total, 1 / total), settings.bootstrap)
        draws = np.concatenate([draws, more])
    return numbers, draws


def _ranked(values: np.ndarray, shows: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Average precision and area under the ROC curve, (2, draws).

    values: (n,). shows: (n,) bool. counts: (draws, n) how often each cell is drawn. Cells of equal value share a rank.
    NaN for draws without positives or negatives.
    """
    order = np.argsort(-values, kind="stable")
    starts = np.flatnonzero(np.append(True, np.diff(values[order]) != 0))
    true = np.add.reduceat(counts[:, order] * shows[order], starts, axis=1)
    false = np.add.reduceat(counts[:, order] * ~shows[order], starts, axis=1)
    above_true, above_false = np.cumsum(true, axis=1), np.cumsum(false, axis=1)
    seen = above_true + above_false
    precision = np.divide(above_true, seen, out=np.zeros(seen.shape), where=seen > 0)
    positives, negatives = above_true[:, -1], above_false[:, -1]
    usable = (positives > 0) & (negatives > 0)
    area = (true * precision).sum(axis=1), (false * (above_true - true / 2)).sum(axis=1)
    whole = positives, positives * negatives
    return np.array(
        [
            np.divide(part, all_, out=np.full(len(counts), np.nan), where=usable)
            for part, all_ in zip(area, whole, strict=True)
        ]
    )


def interval_of(drawn: np.ndarray, coverage: float) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the bootstrap interval of each column of (draws, k); NaN where no draw says anything."""
    low, high = np.full((2, drawn.shape[1]), np.nan)
    known = ~np.isnan(drawn).all(axis=0) if len(drawn) else np.zeros(drawn.shape[1], bool)
    if known.any():
        tails = (0.5 - coverage / 2, 0.5 + coverage / 2)
        low[known], high[known] = np.nanquantile(drawn[:, known], tails, axis=0)
    return low, high


def write_graded_score(
    path: AnyPath, *, graded: AnyPath, answer: AnyPath, classes: AnyPath, settings: ScoreSettings
) -> None:
    """Write the score of a data set on its held-out graded cells (CSV).

    Its rows are those of `graded_score`, with the names of classes and `queue`: first for `all` graded cells; then, if
    there are any, for those of the queue `random`, with `shares`, which are NaN for `all`. graded: table of
    `puzzlecell.teaching.graded_cells`. answer: cell table with `p00 ...`, for a training set the one out of fold.
    Raises UserError for graded cells without predictions, and if no cell is held out.
    """
    names = read_classes(classes)
    grades = read_parquet(graded)
    grades = grades[grades["held_out"]]
    if grades.empty:
        raise UserError(f"{graded}: no graded cell is held out, so there is nothing to score with")
    columns = class_columns(grades)
    drawn = grades[queue_columns(len(columns))].to_numpy(bool)
    parts = [(ALL, grades)]
    if drawn.any():
        sampled = np.where(drawn, grades[columns].to_numpy(np.float32), np.float32(np.nan))
        parts.append((RANDOM, grades.assign(**dict(zip(columns, sampled.T, strict=True)))))
    predicted = read_parquet(answer, ["ID", "cell", *columns])
    tables = []
    for queue, part in parts:
        values = grades_of(predicted, part, graded)
        rows = ~np.isnan(values).all(axis=1)
        chosen, known = predicted[rows], values[rows]
        fields = chosen["ID"].to_numpy()
        table = graded_score(chosen[columns].to_numpy(np.float64), known, fields, settings)
        table.insert(0, "class", [*names, "mean"])
        table.insert(1, "queue", queue)
        share = shares(known, fields, settings)
        for name in share:
            table[name] = np.append(share[name], np.nan) if queue == RANDOM else np.nan
        _log(queue, table, chosen["ID"])
        tables.append(table)
    write_csv(path, pd.concat(tables, ignore_index=True), digits=4)


def _log(queue: str, table: pd.DataFrame, fields: pd.Series) -> None:
    mean = table.iloc[-1]
    log.info(
        "%s: %d held-out graded cells of %d fields; %d classes with cells that show them and cells that lack them: "
        "mean AP %.4f (%.4f to %.4f), mean AUC %.4f (%.4f to %.4f)",
        "all queues" if queue == ALL else "random queue",
        len(fields),
        fields.nunique(),
        table["ap"].iloc[:-1].notna().sum(),
        *(mean[name] for name in ("ap", "low", "high", "auc", "auc_low", "auc_high")),
    )
