"""Fields that look unlike those that a network was trained on, as tables of distances and in words."""

import logging
import os
from collections.abc import Sequence

import pandas as pd

from puzzlecell.config.plausibility import PlausibilitySettings
from puzzlecell.data.plausibility import Finding
from puzzlecell.data.tables import read_parquet
from puzzlecell.errors import UserError

RATIO, WHERE = "unlike_training", "unlike_in"
"""Columns of a distance from the training fields, expected below 1, and of what is unlike them, in words."""
BETWEEN = "; "
"""Between the words."""

MOST = 4
"""How many differences the sentence about a data set names."""

log = logging.getLogger(__name__)


def read_distances(path: str | os.PathLike) -> pd.DataFrame:
    """Read the distances of the fields of a shard: `ID, unlike_training, unlike_in`."""
    return read_parquet(path, ["ID", RATIO, WHERE])


def unlike_findings(dataset: str, fields: pd.DataFrame, settings: PlausibilitySettings) -> list[Finding]:
    """A finding for each field that is unlike the training fields, and one for the data set if most of them are.

    fields: `ID, unlike_training, unlike_in`, as from `read_distances`.
    """
    found = fields[fields[RATIO] > 1]
    findings = [Finding(dataset, "", what) for what in _of_dataset(fields, settings)]
    for field_id, ratio, where in zip(found["ID"], found[RATIO], found[WHERE], strict=True):
        what = f"unlike the training fields: distance {ratio:.3g}, expected below 1 ({where})"
        findings.append(Finding(dataset, field_id, what))
    return findings


def warn_of_unlike_fields(dataset: str, fields: pd.DataFrame, settings: PlausibilitySettings) -> None:
    """Log a warning if most fields are unlike the training fields, else the number of those that are."""
    for what in _of_dataset(fields, settings):
        log.warning("%s: %s", dataset, what)
    log.info(
        "%s: %d of %d fields are unlike the training fields", dataset, (fields[RATIO] > 1).sum(), len(fields)
    )


def join_distances(
    answer: pd.DataFrame, cells: Sequence[str | os.PathLike], fields: Sequence[str | os.PathLike]
) -> pd.DataFrame:
    """Add the distances of each cell and of its field to a table with `ID, cell`: two columns, float32.

    cells, fields: tables of the shards. Raises UserError if a cell or field has no distance.
    """
    of_cells = pd.concat([read_parquet(path, ["ID", "cell", RATIO]) for path in cells])
    of_fields = pd.concat([read_parquet(path, ["ID", RATIO]) for path in fields])
    joined = answer.copy()
    joined[RATIO] = _looked_up(of_cells, answer, ["ID", "cell"])
    joined[f"{RATIO}_field"] = _looked_up(of_fields, answer, ["ID"])
    return joined


def _looked_up(table: pd.DataFrame, wanted: pd.DataFrame, keys: list[str]) -> "pd.Series":
    found = wanted[keys].merge(table, on=keys, how="left", validate="many_to_one")
    lost = found[RATIO].isna()
    if lost.any():
        first = " cell ".join(map(str, found.loc[lost, keys].iloc[0]))
        raise UserError(
            f"{lost.sum()} of {len(found)} cells have no distance from the training fields, such as {first}"
        )
    return found[RATIO].to_numpy()


def _of_dataset(fields: pd.DataFrame, settings: PlausibilitySettings) -> list[str]:
    found = fields[fields[RATIO] > 1]
    if len(found) <= settings.warn_above * len(fields):
        return []
    counts = found[WHERE].str.split(BETWEEN).explode().value_counts()
    common = [words for words, count in counts.items() if count > len(found) / 2] or list(counts.index[:1])
    return [
        f"{len(found)} of {len(fields)} fields look unlike the fields that the model was trained on (median distance "
        f"{fields[RATIO].median():.3g}, expected below 1; mostly: {', '.join(common[:MOST])}): its probabilities are "
        "not to be trusted here"
    ]
