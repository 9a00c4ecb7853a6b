"""Run step 1 on the holdout fields with the models of all folds of a stage."""

from puzzlecell.inference.out_of_fold import write_oof
from puzzlecell.runtime.devices import one_device
from puzzlecell.runtime.job import job

if __name__ == "__main__":
    given, params = snakemake.input, snakemake.params
    with job(snakemake) as progress, one_device(params.device.value) as device:
        write_oof(
            snakemake.output.cells,
            store=given.store,
            masks=given.masks,
            cell_tables=given.cells,
            models=given.models,
            settings=params.settings,
            negative=params.negative.value,
            device=device,
            threads=snakemake.threads,
            progress=progress,
        )
