"""Combine the out-of-fold predictions of all ensemble members for a labelled data set."""

from puzzlecell.ensemble.out_of_fold import grouped, read_out_of_fold, write_oof_cells
from puzzlecell.runtime.job import job

if __name__ == "__main__":
    given, params = snakemake.input, snakemake.params
    with job(snakemake):
        predictions = read_out_of_fold(
            given.cells,
            folds=given.folds or None,
            dataset=snakemake.wildcards.ds,
            members=grouped(given.members, params.members.value),
            images=grouped(given.images, params.images.value),
        )
        write_oof_cells(snakemake.output[0], predictions, params.settings, negative=params.negative.value)
