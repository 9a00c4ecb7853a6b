"""Thresholds above which a class is called for a field: given, or searched on out-of-fold predictions."""

import os
from collections.abc import Sequence

import numpy as np
import pandas as pd

from puzzlecell.config.class_table import read_classes
from puzzlecell.config.fields import FieldSettings, per_class
from puzzlecell.data.tables import class_columns, read_csv, write_csv
from puzzlecell.data.threshold_table import read_thresholds
from puzzlecell.ensemble.combine import mean_table
from puzzlecell.errors import UserError
from puzzlecell.scoring.thresholds import search_thresholds


def write_field_thresholds(
    path: str | os.PathLike,
    *,
    held_out: Sequence[Sequence[str | os.PathLike]],
    table: str | os.PathLike | None,
    classes: str | os.PathLike,
    settings: FieldSettings,
) -> None:
    """Write the network's threshold of each class: `class, threshold` (CSV).

    held_out: for each stage of the ensemble, the tables `ID, Label, p00 ...` that its training left for the fields of
    each fold; used if the thresholds are searched. table: where the table that the settings name can be read, if they
    name one. Raises TableError if it cannot be used, and UserError if the stages have no fields in common.
    """
    names = read_classes(classes)
    if settings.out_of_fold:
        limits = searched(held_out, names, one_each=settings.thresholds == "oof_per_class")
    elif isinstance(settings.thresholds, str):
        limits = read_thresholds(table or settings.thresholds, names)
    else:
        limits = per_class(settings.thresholds, len(names))
    write_csv(path, pd.DataFrame({"class": names, "threshold": limits}), digits=None)


def searched(
    held_out: Sequence[Sequence[str | os.PathLike]], names: Sequence[str], *, one_each: bool
) -> list[float]:
    """Return the thresholds with the best F1 on the fields that every stage has held out, by the mean of the stages.

    one_each: one per class, else the common one with the best mean F1. From 0.2 to 0.8, as davidtvs searched them for
    HPA 2018 (`scoring.thresholds`).
    """
    stages = [pd.concat([read_csv(path) for path in paths], ignore_index=True) for paths in held_out]
    common = set.intersection(*(set(table["ID"]) for table in stages))
    if not common:
        raise UserError(
            "fields.thresholds: no field was held out by all stages of the ensemble, so there is nothing to search "
            "thresholds on; give numbers instead"
        )
    stages = [table[table["ID"].isin(common)] for table in stages]
    probabilities = mean_table([(table, 1.0) for table in stages])
    truth = np.zeros((len(probabilities), len(names)), bool)
    for row, label in enumerate(stages[0]["Label"]):
        truth[row, [int(number) for number in label.split("|")]] = True
    values = probabilities[class_columns(probabilities)].to_numpy(np.float64)
    found = search_thresholds(values, truth, names)
    limits = dict(zip(found["class"][1:], found["threshold"][1:], strict=True))
    return [float(limits[name] if one_each else found["threshold"][0]) for name in names]
