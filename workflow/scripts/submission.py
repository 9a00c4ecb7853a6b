"""Write the submission: one row per test field, with the mask of each cell at its original size."""

from puzzlecell.ensemble.submission import write_dataset_submission
from puzzlecell.runtime.job import job

if __name__ == "__main__":
    with job(snakemake) as progress:
        write_dataset_submission(
            snakemake.output[0],
            datasets=snakemake.params.raw.value,
            cells=snakemake.input.cells,
            masks=snakemake.input.masks,
            store=snakemake.input.store,
            settings=snakemake.params.settings,
            progress=progress,
        )
