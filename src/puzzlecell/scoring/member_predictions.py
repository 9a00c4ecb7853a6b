"""Predictions of each candidate for the members that a class trusts, for cells whose classes are known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from puzzlecell.calibration.run import parts_of
from puzzlecell.config.datasets import FoldSettings
from puzzlecell.config.ensemble import EnsembleSettings
from puzzlecell.data.tables import class_columns
from puzzlecell.ensemble.combine import ensemble_cells
from puzzlecell.ensemble.out_of_fold import OutOfFold
from puzzlecell.ensemble.trust import Candidate, trusting
from puzzlecell.scoring.cell_truth import KnownCells


@dataclass(frozen=True)
class Predicted:
    """Cells whose classes are known, predicted out of fold.

    cells: the cell table with the column `part`: the choice is measured on each part, made on the others. members: for
    each member, `ID, cell, p00 ...` of exactly these cells. images: `ID, p00 ...` of their fields, or None. truth:
    (n, C) in 1 and 0, NaN where it is not known.
    """

    cells: pd.DataFrame
    members: Sequence[pd.DataFrame]
    images: pd.DataFrame | None
    truth: np.ndarray


def predicted_cells(predictions: OutOfFold, known: KnownCells, folds: FoldSettings) -> Predicted:
    """Out-of-fold predictions with what is known of their cells; the parts are those of the calibration."""
    cells = predictions.cells
    truth = np.full((len(cells), known.truth.shape[1]), np.nan)
    place = pd.MultiIndex.from_frame(cells[["ID", "cell"]]).get_indexer(
        pd.MultiIndex.from_frame(known.cells[["ID", "cell"]])
    )
    truth[place] = known.truth
    parted = cells.assign(part=parts_of(cells, folds.count, folds.group))
    return Predicted(parted, predictions.members, predictions.images, truth)


def predicted_by(
    known: Sequence[Predicted],
    ensemble: EnsembleSettings,
    named: Mapping[str, Candidate],
    selectable: Sequence[int],
    *,
    negative: int | None,
) -> np.ndarray:
    """Probabilities (candidates, n, C) of the cells: of each class, those if it trusted the candidate.

    The other classes stay as they are configured as far as they matter: Negative, where the others are suppressed by
    it. Limits of classes and thresholds, which are no question of members, do not apply.
    """
    plain = ensemble.model_copy(update={"max_classes": "all", "threshold": 0.0, "class_thresholds": {}})
    others = [index for index in selectable if index != negative]
    found = []
    for candidate in named.values():
        parts = []
        for given in known:
            values = _values(given, trusting(plain, dict.fromkeys(others, candidate)), negative)
            if negative is not None and negative in selectable:
                own = _values(given, trusting(plain, {negative: candidate}), negative)
                values[:, negative] = own[:, negative]
            parts.append(values)
        found.append(np.concatenate(parts))
    return np.stack(found)


def _values(given: Predicted, settings: EnsembleSettings, negative: int | None) -> np.ndarray:
    members = [(table, member.weight) for table, member in zip(given.members, settings.members, strict=True)]
    answer = ensemble_cells(given.cells, members, given.images, settings, negative=negative)
    return answer[class_columns(given.members[0])].to_numpy(np.float64, copy=True)
