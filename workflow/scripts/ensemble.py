"""Combine the predictions of all ensemble members and add them to the cell table."""

from puzzlecell.ensemble.answer import write_answer
from puzzlecell.runtime.job import job

if __name__ == "__main__":
    with job(snakemake):
        write_answer(
            snakemake.output[0],
            cell_tables=snakemake.input.cells,
            member_tables=snakemake.input.members,
            image_tables=snakemake.input.images,
            settings=snakemake.params.settings,
            negative=snakemake.params.negative.value,
        )
