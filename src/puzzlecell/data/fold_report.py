"""How even the folds are, and which fields of one well or group they separate."""

import re
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from puzzlecell.runtime.messages import first_few

WELL = r"^(.+_[A-Za-z]{1,2}[0-9]{1,2})_[^_]+$"
"""IDs such as 1876_A7_32 of the Human Protein Atlas: plate, well, position in the well. Found: plate and well."""
MOSTLY = 0.75
"""Fraction of IDs that have to look so."""


def fold_report(labels: pd.DataFrame, folds: pd.Series, count: int, dataset: str) -> pd.DataFrame:
    """Return the fields of each class in each fold, one row per class and a first row `all`.

    labels: index ID, one 0/1 column per class; folds: index ID, 1 ... `count`. Columns `dataset, class, fields`,
    `fold1 ...`; `distance`, the largest difference from `fields / count` in fields, and `percent`, the same in percent
    of `fields / count`, 0 for a class that no field has.
    """
    numbers = folds.loc[labels.index].to_numpy()
    hot = np.column_stack([np.ones(len(labels), np.int64), labels.to_numpy(np.int64)])
    counts = np.stack([hot[numbers == fold].sum(axis=0) for fold in range(1, count + 1)], axis=1)
    fields = counts.sum(axis=1)
    even = fields / count
    distance = np.abs(counts - even[:, None]).max(axis=1)
    report = pd.DataFrame({"dataset": dataset, "class": ["all", *labels.columns], "fields": fields})
    for fold in range(count):
        report[f"fold{fold + 1}"] = counts[:, fold]
    report["distance"] = distance
    report["percent"] = 100 * np.divide(distance, even, out=np.zeros_like(even), where=even > 0)
    return report


def report_lines(report: pd.DataFrame) -> list[str]:
    """Return what the log says of the report of one part: the sizes of the folds, and the least even classes."""
    whole, classes = report["dataset"].iloc[0], report.iloc[1:]
    sizes = report.filter(regex=r"^fold\d+$").iloc[0].astype(str)
    present = classes[classes["fields"] > 0].sort_values("percent", ascending=False, kind="stable")
    worst = [
        f"{name} by {distance:.3g} of {fields / len(sizes):.4g} fields ({percent:.0f} %)"
        for name, distance, fields, percent in zip(
            present["class"], present["distance"], present["fields"], present["percent"], strict=True
        )
    ]
    absent = classes.loc[classes["fields"] == 0, "class"].tolist()
    lines = [f"{whole}: {report['fields'].iloc[0]} fields, in folds of {', '.join(sizes)}"]
    lines += [f"{whole}: farthest from even in a fold: {', '.join(worst[:3])}"] if worst else []
    return lines + ([f"{whole}: no field has {first_few(absent)}"] if absent else [])


def torn(keys: Sequence[str], folds: Sequence[int] | np.ndarray) -> tuple[int, int]:
    """Return how many groups of several fields are in more than one fold, and how many groups of several there are.

    keys: group of each field; folds: fold of each field.
    """
    table = pd.DataFrame({"key": list(keys), "fold": np.asarray(folds)}).groupby("key")["fold"]
    several = table.size() > 1
    return int((several & (table.nunique() > 1)).sum()), int(several.sum())


def wells(ids: Iterable[str]) -> list[str] | None:
    """Return plate and well of each ID, or None unless most IDs look like `<plate>_<well>_<position>`.

    An ID that does not is a well of its own.
    """
    matches = [(field_id, re.match(WELL, field_id)) for field_id in ids]
    if sum(match is not None for _, match in matches) < MOSTLY * len(matches):
        return None
    return [field_id if match is None else match.group(1) for field_id, match in matches]
