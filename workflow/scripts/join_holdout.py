"""Average the holdout predictions of all stages in the ensemble."""

from puzzlecell.ensemble.answer import write_mean
from puzzlecell.runtime.job import job

if __name__ == "__main__":
    with job(snakemake):
        write_mean(snakemake.output[0], snakemake.input.tables)
