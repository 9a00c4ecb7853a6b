"""How well the calls per field agree with the labels of a labelled data set."""

import os

import numpy as np
import pandas as pd

from puzzlecell.config.class_table import read_classes
from puzzlecell.config.labels import WithoutClass
from puzzlecell.data.labels import read_labels
from puzzlecell.data.tables import write_csv
from puzzlecell.data.text_tables import read_text_columns
from puzzlecell.ensemble.field_calls import CALLS, SEPARATOR


def write_field_score(
    path: str | os.PathLike,
    *,
    answer: str | os.PathLike,
    labels: str | os.PathLike,
    classes: str | os.PathLike,
    without_class: WithoutClass = "error",
) -> None:
    """Write the F1 of each class of a labelled data set: `class, positives, called, network_called,
    cells_called` (CSV).

    answer: table of `write_field_answer`. without_class: see `read_labels`; fields that it leaves out do not count. A
    class that neither occurs nor is called has no F1; the last row, `mean`, is the macro F1 over the classes that occur
    in the labels.
    """
    names = read_classes(classes)
    _, table = read_text_columns(answer, ["ID", *CALLS])
    labelled = read_labels(labels, names, without_class)
    counted = np.isin(table["ID"], labelled.index)
    known = labelled.loc[np.array(table["ID"], object)[counted]].to_numpy(bool)
    scores: dict[str, object] = {"class": names, "positives": known.sum(axis=0)}
    for column in CALLS:
        # A name may contain the separator.
        texts = [f"{SEPARATOR}{text}{SEPARATOR}" for text in np.array(table[column], object)[counted]]
        said = np.array(
            [[f"{SEPARATOR}{name}{SEPARATOR}" in text for name in names] for text in texts], bool
        ).reshape(known.shape)
        both = said.sum(axis=0) + known.sum(axis=0)
        hits = (said & known).sum(axis=0)
        scores[column] = np.divide(2 * hits, both, out=np.full(len(names), np.nan), where=both > 0)
    found = pd.DataFrame(scores)
    occurs = found["positives"] > 0
    mean = {"class": "mean", "positives": int(found["positives"].sum())}
    mean |= {column: found.loc[occurs, column].mean() for column in CALLS}
    write_csv(path, pd.concat([found, pd.DataFrame([mean])], ignore_index=True), digits=4)
