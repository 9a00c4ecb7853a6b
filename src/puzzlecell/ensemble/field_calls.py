"""The answer per field: which classes the network sees in the whole field, and which its cells show."""

import os
from collections.abc import Sequence

import numpy as np
import pandas as pd

from puzzlecell.config.class_table import read_classes
from puzzlecell.config.fields import CellVoteSettings, FieldSettings, per_class
from puzzlecell.data.tables import class_columns, read_csv, read_parquet, read_parts, write_csv
from puzzlecell.data.threshold_table import read_thresholds
from puzzlecell.ensemble.combine import mean_table

DIGITS = 6
"""Decimal places of probabilities. They are rounded before they are compared, so that the table agrees with itself."""
SEPARATOR = ";"
"""Between the names of called classes, as in the tables of the Human Protein Atlas."""
CALLS = ("called", "network_called", "cells_called")
"""Columns with calls: of the chosen source, of the network and of the cells."""


def write_field_answer(
    fields_csv: str | os.PathLike,
    hpa2018_csv: str | os.PathLike,
    *,
    image_tables: Sequence[str | os.PathLike],
    stages: int,
    cells: str | os.PathLike,
    rejected: Sequence[str | os.PathLike],
    thresholds: str | os.PathLike,
    classes: str | os.PathLike,
    settings: FieldSettings,
    negative: int | None,
) -> None:
    """Write the answer per field of a data set (CSV), and its calls in the format of HPA 2018.

    image_tables: probabilities of whole fields (Parquet), one per shard, for each of `stages` stages in turn; their
    mean is the network's answer. cells: the ensembled cell table. rejected: tables `ID, reason` of the fields that
    could not be read; they are in the HPA 2018 file only, with the fill class. thresholds: table of the network's
    thresholds. negative: index of the negative class, None if there is none.
    """
    names = read_classes(classes)
    images = mean_table([(table, 1.0) for table in read_parts(image_tables, stages)])
    network = _rounded(images[class_columns(images)].to_numpy(np.float64))
    table = read_parquet(cells)
    counts, of_cells = cell_probabilities(table, images["ID"].tolist(), settings.cells, negative)
    limits = np.array([read_thresholds(thresholds, names), per_class(settings.cells.thresholds, len(names))])
    of_cells = _rounded(of_cells)
    fill = None if settings.fill is None else names.index(settings.fill)
    calls = {
        column: with_fill(decide(network, of_cells, limits, source), fill)
        for column, source in zip(CALLS, (settings.source, "network", "cells"), strict=True)
    }
    answer = pd.DataFrame({"ID": images["ID"], "cells": counts})
    for column, said in calls.items():
        answer[column] = [SEPARATOR.join(np.array(names, object)[row]) for row in said]
    values = np.concatenate([network, of_cells], axis=1)
    columns = [f"{source}_p{number:02d}" for source in ("network", "cells") for number in range(len(names))]
    answer = pd.concat([answer, pd.DataFrame(values, columns=columns)], axis=1)
    write_csv(fields_csv, answer, digits=DIGITS)
    unread = [field_id for path in rejected for field_id in read_csv(path)["ID"]]
    write_csv(hpa2018_csv, hpa2018_table(answer["ID"].tolist(), calls["called"], unread, fill))


def cell_probabilities(
    cells: pd.DataFrame, field_ids: Sequence[str], settings: CellVoteSettings, negative: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the number of cells (F,) int64 and the probabilities (F, C) float64 of fields, from those of their cells.

    cells: `ID, cell, p00 ...`. A field without cells has probability 0 of every class. Raises ValueError for cells of
    other fields.
    """
    columns = class_columns(cells)
    place = pd.Index(field_ids).get_indexer(cells["ID"])
    if (place < 0).any():
        lost = cells["ID"].to_numpy()[place < 0]
        raise ValueError(f"{len(lost)} cells are of fields that no network has seen, such as {lost[0]}")
    values = cells[columns].to_numpy(np.float64)
    counts = np.bincount(place, minlength=len(field_ids))
    found = np.zeros((len(field_ids), len(columns)))
    order = np.argsort(place, kind="stable")
    for field, rows in zip(
        np.flatnonzero(counts), np.split(order, np.cumsum(counts[counts > 0])[:-1]), strict=True
    ):
        found[field] = _combined(values[rows], settings)
        if negative is not None:
            found[field, negative] = values[rows, negative].mean()
    return counts, found


def decide(network: np.ndarray, of_cells: np.ndarray, limits: np.ndarray, source: str) -> np.ndarray:
    """Return the calls (F, C) bool of `network`, of the `cells`, or of the mean of `both` against that of their limits.

    network, of_cells: probabilities (F, C). limits: thresholds (2, C) of the network and of the cells.
    """
    if source == "both":
        return network + of_cells >= limits.sum(axis=0)
    return network >= limits[0] if source == "network" else of_cells >= limits[1]


def with_fill(called: np.ndarray, fill: int | None) -> np.ndarray:
    """Calls (F, C) bool with the class `fill` in fields without any other, as davidtvs did in HPA 2018."""
    filled = called.copy()
    if fill is not None:
        filled[~called.any(axis=1), fill] = True
    return filled


def hpa2018_table(
    field_ids: Sequence[str], called: np.ndarray, unread: Sequence[str], fill: int | None
) -> pd.DataFrame:
    """Return `Id, Predicted` as HPA 2018 wants it: indices of the called classes, separated by spaces; sorted by Id.

    unread: IDs of fields without a prediction, which get the class `fill`, or none.
    """
    rows = [
        (field_id, " ".join(map(str, np.flatnonzero(row))))
        for field_id, row in zip(field_ids, called, strict=True)
    ]
    rows += [(field_id, "" if fill is None else str(fill)) for field_id in unread]
    return pd.DataFrame(sorted(rows), columns=["Id", "Predicted"])


def _combined(values: np.ndarray, settings: CellVoteSettings) -> np.ndarray:
    """Probabilities (C,) of a field from those of its cells (n, C), n > 0."""
    if settings.combine == "noisy_or":
        return 1 - np.prod(1 - values, axis=0)
    if settings.combine == "mean":
        return values.mean(axis=0)
    top = 1 if settings.combine == "max" else min(settings.top, len(values))
    return np.sort(values, axis=0)[-top:].mean(axis=0)


def _rounded(values: np.ndarray) -> np.ndarray:
    return np.round(values, DIGITS)
