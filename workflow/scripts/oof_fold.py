"""Run step 1 on the fields of a fold with the model that was not trained on them."""

from puzzlecell.inference.out_of_fold import held_out_fields, write_oof
from puzzlecell.runtime.devices import one_device
from puzzlecell.runtime.job import job

if __name__ == "__main__":
    given, params, fold = snakemake.input, snakemake.params, int(snakemake.wildcards.fold)
    with job(snakemake) as progress, one_device(params.device.value) as device:
        write_oof(
            snakemake.output.cells,
            images_csv=snakemake.output.images,
            store=given.store,
            masks=given.masks,
            cell_tables=given.cells,
            models=given.models,
            settings=params.settings,
            negative=params.negative.value,
            field_ids=held_out_fields(given.folds, params.datasets, fold, given.store),
            device=device,
            threads=snakemake.threads,
            progress=progress,
        )
