"""Score the ensemble, each step alone and the broadcast baseline against the truth per cell."""

import pandas as pd

from puzzlecell.config.ensemble import EnsembleMember
from puzzlecell.config.score import ScoreSettings
from puzzlecell.data.labels import read_classes
from puzzlecell.data.store import ShardReader
from puzzlecell.ensemble.combine import mean_table
from puzzlecell.ensemble.submission import read_submission
from puzzlecell.runtime.atomic import written_whole
from puzzlecell.runtime.job import job
from puzzlecell.scoring.average_precision import score_tables
from puzzlecell.scoring.baselines import compared_tables, read_parts
from puzzlecell.scoring.plot import write_score_picture


def main(summary, by_class, picture, truth, masks, answer, members, images, classes, settings, described):
    described = [EnsembleMember(**member) for member in described]
    tables = compared_tables(
        pd.read_parquet(answer),
        list(zip(described, read_parts(members, len(described)), strict=True)),
        mean_table([(table, 1.0) for table in read_parts(images, len(images) // len(masks))]),
    )
    reader = ShardReader(masks)
    results = score_tables(
        tables,
        lambda field_id: reader.read(field_id, "cells") if field_id in reader else None,
        read_submission(truth),
        ScoreSettings(**settings),
    )
    rows = [
        {"prediction": name, "mean_ap": result.mean, "low": result.low, "high": result.high}
        for name, result in results.items()
    ]
    with written_whole(summary) as temporary:
        pd.DataFrame(rows).to_csv(temporary, index=False, float_format="%.4f")
    names = read_classes(classes)
    parts = []
    for name, result in results.items():
        table = result.classes.assign(name=[names[index] for index in result.classes["class"]])
        table = table.merge(result.misses, on="class", how="left", suffixes=("", "_missed"))
        parts.append(table.assign(prediction=name))
    with written_whole(by_class) as temporary:
        pd.concat(parts).to_csv(temporary, index=False, float_format="%.4f")
    write_score_picture(
        picture, rows, {name: result.classes["ap"] for name, result in results.items()}, names
    )
    return rows


if __name__ == "__main__":
    with job(f"score {snakemake.wildcards.ds}", snakemake.log[0], snakemake.params.settings) as progress:
        rows = main(
            snakemake.output.summary,
            snakemake.output.classes,
            snakemake.output.picture,
            snakemake.input.truth[0],
            snakemake.input.masks,
            snakemake.input.ensemble,
            snakemake.input.members,
            snakemake.input.images,
            snakemake.input.classes,
            snakemake.params.settings,
            snakemake.params.members,
        )
        for number, row in enumerate(rows, start=1):
            progress(number, len(rows), f"mean AP of {row['prediction']}: {row['mean_ap']:.3f}")
