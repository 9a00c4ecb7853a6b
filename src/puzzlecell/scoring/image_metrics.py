"""Image-level metrics on held-out fields."""

import os
from collections.abc import Sequence

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score, roc_auc_score

from puzzlecell.config.class_table import read_classes
from puzzlecell.config.labels import WithoutClass
from puzzlecell.data.labels import read_labels
from puzzlecell.data.tables import class_columns, read_csv, write_csv
from puzzlecell.scoring.thresholds import search_thresholds


def write_image_metrics(
    metrics_csv: str | os.PathLike,
    thresholds_csv: str | os.PathLike,
    *,
    predictions: Sequence[str | os.PathLike],
    labels: Sequence[str | os.PathLike],
    classes: str | os.PathLike,
    without_class: WithoutClass = "error",
) -> None:
    """Write the metrics and the best thresholds of each class (CSV).

    predictions: tables `ID, p00 ...` of held-out fields, one per fold; labels: label tables with these fields;
    without_class: see `read_labels`.
    """
    names = read_classes(classes)
    probabilities = pd.concat([read_csv(path) for path in predictions], ignore_index=True)
    truth = pd.concat([read_labels(path, names, without_class) for path in labels])
    write_csv(metrics_csv, image_metrics(probabilities, truth), digits=4)
    write_csv(thresholds_csv, search_thresholds(*labelled(probabilities, truth), names), digits=4)


def image_metrics(probabilities: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    """Return `class, fields, positives, ap, auc`, one row per class and a last row `mean`.

    probabilities: `ID, p00 ...`; labels: index ID, one 0/1 column per class, with at least these fields. `ap` is
    scikit-learn's average precision, without interpolation, NaN if no field has the class; `auc`, the area under the
    ROC curve, is NaN if all fields or none have it. The means ignore NaN. Raises ValueError for fields without labels.
    """
    values, truth = labelled(probabilities, labels)
    rows = []
    for index, name in enumerate(labels.columns):
        positives = int(truth[:, index].sum())
        both = 0 < positives < len(truth)
        rows.append(
            {
                "class": name,
                "fields": len(truth),
                "positives": positives,
                "ap": average_precision_score(truth[:, index], values[:, index]) if positives else np.nan,
                "auc": roc_auc_score(truth[:, index], values[:, index]) if both else np.nan,
            }
        )
    table = pd.DataFrame(rows)
    mean = {"class": "mean", "fields": len(truth), "positives": int(truth.sum())}
    mean |= {name: table[name].mean() for name in ("ap", "auc")}
    return pd.concat([table, pd.DataFrame([mean])], ignore_index=True)


def labelled(probabilities: pd.DataFrame, labels: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Values (n, C) float64 and labels (n, C) bool of the fields in a table.

    Raises ValueError if the classes differ in number or a field has no labels.
    """
    columns = class_columns(probabilities)
    if len(columns) != labels.shape[1]:
        raise ValueError(f"{len(columns)} classes are predicted, but {labels.shape[1]} labelled")
    absent = sorted(set(probabilities["ID"]) - set(labels.index))
    if absent:
        raise ValueError(f"no labels for {len(absent)} fields, such as {absent[0]}")
    truth = labels.loc[probabilities["ID"]].to_numpy() > 0
    return probabilities[columns].to_numpy(np.float64), truth
