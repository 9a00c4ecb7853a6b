"""Targets of a stage that learns from grades of single cells alone."""

from puzzlecell.runtime.job import job
from puzzlecell.teaching.graded_targets import write_graded_targets

if __name__ == "__main__":
    given = snakemake.input
    with job(snakemake):
        write_graded_targets(
            snakemake.output[0],
            dataset=snakemake.wildcards.ds,
            graded=given.graded,
            folds=next(iter(given.folds), None),
        )
