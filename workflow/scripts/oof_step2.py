"""Run step 2 on the fields of a fold with the model that was not trained on them."""

from puzzlecell.inference.out_of_fold_step2 import write_oof_step2
from puzzlecell.runtime.devices import one_device
from puzzlecell.runtime.job import job

if __name__ == "__main__":
    given, params = snakemake.input, snakemake.params
    with job(snakemake) as progress, one_device(params.device.value) as device:
        write_oof_step2(
            snakemake.output.cells,
            store=given.store,
            masks=given.masks,
            model=given.model,
            folds_csv=given.folds,
            fold=int(snakemake.wildcards.fold),
            raw=params.raw.value,
            settings=params.settings,
            device=device,
            threads=snakemake.threads,
            progress=progress,
        )
