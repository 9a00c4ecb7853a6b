"""Score the ensemble against ground truth, next to each step and the broadcast baseline."""

import os
from collections.abc import Sequence

import pandas as pd

from puzzlecell.config.class_table import read_classes
from puzzlecell.config.ensemble import EnsembleMember
from puzzlecell.config.score import ScoreSettings
from puzzlecell.data.rle import masks_of
from puzzlecell.data.store import ShardReader
from puzzlecell.data.submission_file import read_submission
from puzzlecell.data.tables import read_parquet, read_parts, write_csv
from puzzlecell.ensemble.combine import mean_table
from puzzlecell.runtime.progress import Progress, no_progress
from puzzlecell.scoring.average_precision import ScoreResult, score_tables
from puzzlecell.scoring.baselines import compared_tables
from puzzlecell.scoring.plot import write_score_picture

AnyPath = str | os.PathLike


def write_score(
    summary_csv: AnyPath,
    classes_csv: AnyPath,
    picture_png: AnyPath,
    *,
    truth: AnyPath,
    masks: Sequence[AnyPath],
    answer: AnyPath,
    member_tables: Sequence[AnyPath],
    members: Sequence[EnsembleMember],
    image_tables: Sequence[AnyPath],
    classes: AnyPath,
    settings: ScoreSettings,
    progress: Progress = no_progress,
) -> None:
    """Write the mean average precision of each prediction, the average precision of each class, and a plot of both.

    masks: shards of label images. answer: the ensembled cell table. member_tables: one per shard, for each ensemble
    member in turn. image_tables: probabilities of whole fields, one per shard, for each stage in turn; none if no
    member predicts fields. Raises the errors of `read_submission` and of `score_tables`.
    """
    names = read_classes(classes)
    images = read_parts(image_tables, len(image_tables) // len(masks)) if image_tables else []
    tables = compared_tables(
        read_parquet(answer),
        list(zip(members, read_parts(member_tables, len(members)), strict=True)),
        mean_table([(table, 1.0) for table in images]) if images else None,
    )
    known = read_submission(truth, len(names))
    with masks_of(truth):
        results = score_tables(tables, ShardReader(masks).get, known, settings)
    summary = [
        {"prediction": name, "mean_ap": result.mean, "low": result.low, "high": result.high}
        for name, result in results.items()
    ]
    write_csv(summary_csv, pd.DataFrame(summary), digits=4)
    write_csv(classes_csv, class_table(results, names), digits=4)
    write_score_picture(
        picture_png, summary, {name: result.classes["ap"] for name, result in results.items()}, names
    )
    for number, row in enumerate(summary, start=1):
        progress(number, len(summary), f"mean AP of {row['prediction']}: {row['mean_ap']:.3f}")


def class_table(results: dict[str, ScoreResult], names: Sequence[str]) -> pd.DataFrame:
    """One row per prediction and class: average precision, and counts of found and missed ground-truth cells."""
    parts = []
    for prediction, result in results.items():
        table = result.classes.assign(name=[names[index] for index in result.classes["class"]])
        table = table.merge(result.misses, on="class", how="left", suffixes=("", "_missed"))
        parts.append(table.assign(prediction=prediction))
    return pd.concat(parts)
