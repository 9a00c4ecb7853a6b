"""What the overview says of a run, read from its results."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from puzzlecell.config.workflow import Configuration
from puzzlecell.data.tables import read_csv
from puzzlecell.viewer.class_counts import class_counts
from puzzlecell.viewer.json_numbers import number
from puzzlecell.viewer.provenance import attribution, settings_texts, versions
from puzzlecell.viewer.training_curves import training_curves
from puzzlecell.viewer.variability_columns import variability_columns

AnyPath = str | os.PathLike
MOST_REJECTED = 100
"""Rejected fields of each data set that are listed."""
LONGEST_LICENCE = 20_000


@dataclass(frozen=True)
class RunFiles:
    """Results of a run. Keys are names of data sets, if nothing else is said.

    answers: `results/cells/<ds>.parquet` of the data sets that are shown. scores, class_scores: of those with ground
    truth, `results/score/<ds>.csv` and `<ds>.classes.csv`. rejected: of all data sets, `rejected.csv` of each shard.
    histories: `history.csv` of each fold, by model and stage. Further files are those that are made on request; they
    are left out where they do not exist. graded: `results/score/<ds>.graded.csv`. variability:
    `results/variability/<ds>.csv`. calibration, reliability: tables of `results/calibration`. licence: text of the
    licence of the weights.
    """

    answers: Mapping[str, AnyPath]
    scores: Mapping[str, AnyPath]
    class_scores: Mapping[str, AnyPath]
    rejected: Mapping[str, Sequence[AnyPath]]
    histories: Mapping[tuple[str, str], Sequence[AnyPath]]
    graded: Mapping[str, AnyPath] = field(default_factory=dict)
    variability: Mapping[str, AnyPath] = field(default_factory=dict)
    calibration: AnyPath | None = None
    reliability: AnyPath | None = None
    licence: AnyPath | None = None


def summary(
    files: RunFiles, settings: Configuration, classes: Sequence[str], *, quality: Sequence[str], warned: bool
) -> dict[str, Any]:
    """Collect what the overview and the quality page say of the run as a whole; JSON.

    quality: data sets with a chunk `<ds>/quality`. warned: whether the chunk `warnings` is there, which
    `puzzlecell.viewer.warnings_chunk` writes at the end of a run. Trainings are in the order of the configuration. The
    size does not grow with fields or cells, but for groups of fields whose variability has been computed. Raises
    DamagedFileError for tables that have changed since they were written.
    """
    stages = [(model, stage) for model, given in settings.models.items() for stage in given.stages]
    histories = {names: files.histories[names] for names in stages if names in files.histories}
    best_by = {names: settings.stage_training(*names).best_metric for names in histories}
    return {
        "counts": {
            name: class_counts(path, files.class_scores.get(name), classes)
            for name, path in files.answers.items()
        },
        "scores": {name: _scores(path) for name, path in files.scores.items()},
        "class_scores": {name: _class_scores(path) for name, path in files.class_scores.items()},
        "interval": settings.score.interval,
        "graded": {name: _rows(read_csv(path)) for name, path in files.graded.items()},
        "variability": {name: variability_columns(path) for name, path in files.variability.items()},
        "curves": training_curves(histories, best_by),
        "rejected": {name: _rejected(paths) for name, paths in files.rejected.items()},
        "calibration": None if files.calibration is None else _rows(read_csv(files.calibration)),
        "reliability": None if files.reliability is None else _rows(read_csv(files.reliability)),
        "quality": list(quality),
        "warned": warned,
        "roles": {name: given.role for name, given in settings.datasets.items()},
        "settings": settings_texts(settings),
        "versions": versions(),
        "attribution": attribution(settings),
        "licence": None if files.licence is None else _text(files.licence),
    }


def _scores(path: AnyPath) -> list[dict[str, Any]]:
    return [
        {"prediction": row["prediction"], **{name: number(row[name]) for name in ("mean_ap", "low", "high")}}
        for row in read_csv(path).to_dict("records")
    ]


def _class_scores(path: AnyPath) -> dict[str, dict[str, list[float | None]]]:
    """Average precision and interval of each class, by prediction."""
    return {
        str(prediction): {
            name: [number(value) for value in rows[name]] for name in ("ap", "low", "high", "cells")
        }
        for prediction, rows in read_csv(path).groupby("prediction", sort=False)
    }


def _rejected(paths: Sequence[AnyPath]) -> dict[str, Any]:
    table = pd.concat([read_csv(path) for path in paths], ignore_index=True)
    rows = table[["ID", "reason"]].head(MOST_REJECTED).to_numpy(str).tolist()
    return {"count": len(table), "fields": rows}


def _rows(table: pd.DataFrame) -> dict[str, list[Any]]:
    """The columns of a table: texts as they are, numbers rounded, None where there is none."""
    columns: dict[str, list[Any]] = {}
    for name in table.columns:
        values = table[name].tolist()
        texts = name in ("class", "queue", "method", "knots", "note", "when")
        columns[name] = [str(value) if texts else number(value) for value in values]
    return columns


def _text(path: AnyPath) -> str:
    text = Path(path).read_text(encoding="utf-8", errors="replace")
    return text if len(text) <= LONGEST_LICENCE else f"{text[:LONGEST_LICENCE]} ..."
