"""How many cells a data set has of each class."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from puzzlecell.config.calibration import BETWEEN_CALLS, UNCERTAIN
from puzzlecell.data.tables import class_columns, probability_columns, read_csv, read_parquet

CALLS = "calls"

AnyPath = str | os.PathLike


def class_counts(answer: AnyPath, score: AnyPath | None, classes: Sequence[str]) -> dict[str, Any]:
    """Count the cells of a data set by class.

    answer: `results/cells/<ds>.parquet`. score: `results/score/<ds>.classes.csv`, None without ground truth. Returns
    lists with a number per class: `probable` (cells of which it is the most probable class), `called` (calibrated
    runs; `uncertain` is the number of cells without a called class; else both are None) and `true` (true cells that
    show it, or None).
    """
    table = read_parquet(answer, probability_columns(len(classes)))
    probable = np.bincount(table[class_columns(table)].to_numpy().argmax(axis=1), minlength=len(classes))
    called, uncertain = None, None
    if CALLS in _columns(answer):
        texts = read_parquet(answer, [CALLS])[CALLS].value_counts()
        called = [0] * len(classes)
        place = {name: index for index, name in enumerate(classes)}
        for text, count in texts.items():
            for name in str(text).split(BETWEEN_CALLS):
                if name in place:
                    called[place[name]] += int(count)
        uncertain = int(texts.get(UNCERTAIN, 0))
    true = None
    if score is not None:
        rows = read_csv(score)
        true = rows[rows["prediction"] == "ensemble"]["cells"].astype(int).tolist()
    return {"probable": probable.tolist(), "called": called, "uncertain": uncertain, "true": true}


def _columns(path: AnyPath) -> list[str]:
    import pyarrow.parquet as pq

    return pq.read_schema(os.fspath(path)).names
