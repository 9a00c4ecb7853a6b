"""The cells of a shard as the viewer shows them: the ensemble and what it is made of."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from puzzlecell.calibration.apply import calibrated_columns, with_calls
from puzzlecell.config.ensemble import EnsembleSettings
from puzzlecell.data.calibration_table import Row
from puzzlecell.data.cell_predictions import aligned
from puzzlecell.data.tables import class_columns, read_parquet
from puzzlecell.ensemble.combine import ensemble_cells, mean_table

AnyPath = str | os.PathLike
UNCALIBRATED = 0.5
"""Threshold of a class that has none of its own."""


@dataclass(frozen=True)
class ShardFiles:
    """Files of one shard of a data set.

    members: predictions of the ensemble's members in turn. images: probabilities of the fields by each stage that
    predicts them. unlike_cells, unlike_fields: distances from the training fields; None: not computed. truth: table of
    the true cells of the data set; None: not known. cams: its class activation maps; None: there are none.
    """

    store: AnyPath
    masks: AnyPath
    cells: AnyPath
    members: Sequence[AnyPath]
    images: Sequence[AnyPath]
    unlike_cells: AnyPath | None = None
    unlike_fields: AnyPath | None = None
    truth: AnyPath | None = None
    cams: AnyPath | None = None


@dataclass(frozen=True)
class EnsembleRules:
    """How members are combined and calibrated.

    negative: index of the class Negative; None: there is none. names: of the classes. calibration: of each class; None:
    probabilities are not calibrated.
    """

    settings: EnsembleSettings
    names: Sequence[str]
    negative: int | None = None
    calibration: Sequence[Row] | None = None

    @property
    def thresholds(self) -> np.ndarray:
        """Probability (C,) at which it is most uncertain whether a cell shows a class."""
        if self.calibration is None:
            return np.full(len(self.names), UNCALIBRATED)
        return np.array(
            [UNCALIBRATED if row.threshold is None else row.threshold for row in self.calibration]
        )


@dataclass(frozen=True)
class ShardCells:
    """Cells of a shard in the order of their table.

    table: columns of the cell table. probabilities: (n, C) float64 of the ensemble. calibrated: (n, C) or None. called:
    (n, C) bool or None. members: (members, n, C) float64. steps: mean (n, C) of the members of each step, by its
    number, weighted as in the ensemble.
    """

    table: pd.DataFrame
    probabilities: np.ndarray
    calibrated: np.ndarray | None
    called: np.ndarray | None
    members: np.ndarray
    steps: dict[int, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.table)

    @property
    def disagreement(self) -> np.ndarray:
        """Largest difference (n,) over the classes between the steps 1 and 2; 0 if there is only one of them."""
        if not {1, 2} <= set(self.steps) or not len(self):
            return np.zeros(len(self))
        return np.abs(self.steps[1] - self.steps[2]).max(axis=1)


def shard_cells(files: ShardFiles, rules: EnsembleRules) -> ShardCells:
    """Read a shard and combine its members, exactly as the ensemble of the whole data set does.

    Nothing in the ensemble goes beyond single fields, and a field is in one shard. Raises the errors of
    `ensemble_cells`.
    """
    cells = read_parquet(files.cells)
    settings = rules.settings
    tables = [read_parquet(path) for path in files.members]
    images = [read_parquet(path) for path in files.images]
    answer = ensemble_cells(
        cells,
        [(table, member.weight) for table, member in zip(tables, settings.members, strict=True)],
        mean_table([(table, 1.0) for table in images]) if images else None,
        settings,
        negative=rules.negative,
    )
    columns = class_columns(tables[0])
    values = np.stack([aligned(table, cells, columns, ["ID", "cell"], "member") for table in tables])
    weights = np.array([member.weight for member in settings.members], np.float64)
    of_step = np.array([member.step for member in settings.members])
    steps = {
        int(step): np.average(values[of_step == step], axis=0, weights=weights[of_step == step])
        for step in np.unique(of_step)
    }
    calibrated = called = None
    if rules.calibration is not None:
        answer = with_calls(answer, rules.calibration, rules.names)
        calibrated = answer[calibrated_columns(len(rules.names))].to_numpy(np.float64)
        limits = [np.inf if row.threshold is None else row.threshold for row in rules.calibration]
        called = calibrated >= np.array(limits)
    return ShardCells(cells, answer[columns].to_numpy(np.float64), calibrated, called, values, steps)
