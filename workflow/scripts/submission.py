"""Write the submission: a row for every test field, with the mask of each cell at its original size."""

import pandas as pd

from puzzlecell.config.submission import SubmissionSettings
from puzzlecell.data.store import ShardReader
from puzzlecell.ensemble.field_sizes import submission_fields
from puzzlecell.ensemble.submission import write_submission
from puzzlecell.runtime.job import job


def main(output, cells, masks, store, datasets, settings, progress):
    stored, reader = ShardReader(store), ShardReader(masks)
    fields = [submission_fields(labels, images, stored) for labels, images in datasets]
    write_submission(
        output,
        pd.concat(fields, ignore_index=True),
        pd.concat([pd.read_parquet(path) for path in cells], ignore_index=True),
        lambda field_id: reader.read(field_id, "cells") if field_id in reader else None,
        SubmissionSettings(**settings),
        progress,
    )


if __name__ == "__main__":
    with job("submission", snakemake.log[0], snakemake.params.settings) as progress:
        main(
            snakemake.output[0],
            list(snakemake.input.cells),
            list(snakemake.input.masks),
            list(snakemake.input.store),
            snakemake.params.datasets,
            snakemake.params.settings,
            progress,
        )
