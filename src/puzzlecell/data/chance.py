"""Classes that a network does not learn: their average precision on held-out fields is that of a random order."""

import logging
import os
from collections.abc import Sequence

import numpy as np
from sklearn.metrics import average_precision_score

from puzzlecell.config.plausibility import PlausibilitySettings
from puzzlecell.data.tables import class_columns, read_csv
from puzzlecell.errors import UserError
from puzzlecell.runtime.messages import first_few

log = logging.getLogger(__name__)


def above_chance(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Return (C,) float64, how far each class is above chance: (AP - p) / (1 - p), where AP is its average precision.

    labels: (N, C) bool; probabilities: (N, C). p is the fraction of fields with the class, the average precision of a
    random order; a perfect order gives 1. NaN for a class that no field or every field has. Rows whose probability is
    NaN do not count.
    """
    gains = np.full(labels.shape[1], np.nan)
    for index in range(labels.shape[1]):
        counts = ~np.isnan(probabilities[:, index])
        has_class, values = labels[counts, index], probabilities[counts, index]
        share = has_class.mean() if len(has_class) else 0.0
        if 0 < share < 1:
            gains[index] = (average_precision_score(has_class, values) - share) / (1 - share)
    return gains


def read_held_out(path: str | os.PathLike, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Read the predictions for a held-out fold (`oof.csv`): labels (N, C) bool and probabilities (N, C) float64.

    The rows are fields or, of a stage of the kind `cells`, cells, whose labels are targets of at least 0.5. Where a
    class does not count for a cell, its probability is NaN.

    Raises UserError for another number of classes.
    """
    table = read_csv(path)
    columns = class_columns(table)
    if len(columns) != classes:
        raise UserError(f"{path}: {len(columns)} classes, expected {classes}")
    labels = np.zeros((len(table), classes), bool)
    for row, text in enumerate(table["Label"]):
        labels[row, [int(number) for number in text.split("|") if number]] = True
    probabilities = table[columns].to_numpy(np.float64)
    targets = [f"t{name[1:]}" for name in columns]
    if set(targets) <= set(table.columns):
        # A column with empty fields is read as text.
        probabilities[(table[targets] == "").to_numpy()] = np.nan
    return labels, probabilities


def warn_of_classes_at_chance(
    path: str | os.PathLike, classes: Sequence[str], settings: PlausibilitySettings
) -> None:
    """Log one warning with all classes at chance on a held-out fold (`oof.csv`), at the end of its training."""
    labels, probabilities = read_held_out(path, len(classes))
    poor = np.flatnonzero(above_chance(labels, probabilities) < settings.at_chance).tolist()
    if len(poor):
        log.warning(
            "at chance on the held-out fold: %s (%d of %d classes)",
            first_few((classes[index] for index in poor), 4),
            len(poor),
            len(classes),
        )


def class_findings(
    stage: str,
    folds: Sequence[tuple[np.ndarray, np.ndarray]],
    classes: Sequence[str],
    at_chance: float,
    *,
    cells: bool = False,
) -> list[str]:
    """Return texts about the classes that no field has, and about those at chance in every fold in which they occur.

    stage: its name in the texts. folds: labels and probabilities of each held-out fold, of cells if `cells`.
    """
    occurs = np.any([labels.any(axis=0) for labels, _ in folds], axis=0)
    gains = np.stack([above_chance(*fold) for fold in folds])
    known = ~np.isnan(gains)
    poor = known.any(axis=0) & ((gains < at_chance) | ~known).all(axis=0)
    texts = []
    if not occurs.all():
        names = [classes[index] for index in np.flatnonzero(~occurs).tolist()]
        if cells:
            texts.append(f"{stage}: no cell has a target of 0.5 or more for {', '.join(names)}")
        else:
            texts.append(f"no field is labelled {', '.join(names)}, so no model can learn {_them(names)}")
    if poor.any():
        names = [classes[index] for index in np.flatnonzero(poor).tolist()]
        texts.append(
            f"{stage}: no fold learns {', '.join(names)}: the average precision on held-out "
            f"{'cells' if cells else 'fields'} is at chance"
        )
    return texts


def _them(names: Sequence[str]) -> str:
    return "it" if len(names) == 1 else "them"
