"""Split the training fields into folds, stratified by all classes jointly."""

from puzzlecell.data.folds import write_folds
from puzzlecell.runtime.job import job

if __name__ == "__main__":
    with job(snakemake):
        write_folds(
            snakemake.output[0],
            train=snakemake.params.train,
            additional=snakemake.params.additional,
            classes=snakemake.input.classes,
            settings=snakemake.params.settings,
        )
