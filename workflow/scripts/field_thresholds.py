"""Write the threshold of each class for whole fields: given, or searched on out-of-fold predictions."""

from puzzlecell.runtime.job import job
from puzzlecell.scoring.field_thresholds import write_field_thresholds

if __name__ == "__main__":
    given, params = snakemake.input, snakemake.params
    with job(snakemake):
        folds = params.folds.value
        write_field_thresholds(
            snakemake.output[0],
            held_out=[
                given.held_out[start : start + folds] for start in range(0, len(given.held_out), folds)
            ],
            table=given.table[0] if given.table else None,
            classes=given.classes,
            settings=params.settings,
        )
