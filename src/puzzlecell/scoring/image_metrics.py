"""Image-level metrics of fields that the models did not see."""

import os
from collections.abc import Sequence

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score, roc_auc_score

from puzzlecell.data.labels import read_classes, read_labels
from puzzlecell.data.tables import class_columns, write_csv
from puzzlecell.scoring.thresholds import search_thresholds


def write_image_metrics(
    metrics_csv: str | os.PathLike,
    thresholds_csv: str | os.PathLike,
    *,
    predictions: Sequence[str | os.PathLike],
    labels: Sequence[str | os.PathLike],
    classes: str | os.PathLike,
) -> None:
    """Write the metrics of each class and the thresholds that suit its predictions (CSV).

    predictions: tables `ID, p00 ...` of held-out fields, one per fold; labels: label tables with these fields.
    """
    names = read_classes(classes)
    probabilities = pd.concat(
        [pd.read_csv(path, dtype={"ID": str}) for path in predictions], ignore_index=True
    )
    truth = pd.concat([read_labels(path, names) for path in labels])
    write_csv(metrics_csv, image_metrics(probabilities, truth), digits=4)
    write_csv(thresholds_csv, search_thresholds(*labelled(probabilities, truth), names), digits=4)


def image_metrics(probabilities: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    """`class, fields, positives, ap, auc` of fields, a row a class and one for the mean, called `mean`.

    probabilities: `ID, p00 ...`; labels: index ID, a 0/1 column a class, with at least these fields. The
    average precision is that of the steps (scikit-learn's), NaN where no field has the class; the area
    under the ROC curve is NaN where all fields or none have it. The means leave NaN out. Raises ValueError
    for fields without labels.
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
    """Values (n, C) float64 and labels (n, C) bool of the fields in a table. Raises ValueError where labels
    miss.
    """
    columns = class_columns(probabilities)
    if len(columns) != labels.shape[1]:
        raise ValueError(f"{len(columns)} classes are predicted, {labels.shape[1]} labelled")
    absent = sorted(set(probabilities["ID"]) - set(labels.index))
    if absent:
        raise ValueError(f"no labels of {len(absent)} fields, such as {absent[0]}")
    truth = labels.loc[probabilities["ID"]].to_numpy() > 0
    return probabilities[columns].to_numpy(np.float64), truth
