"""Keep what the training fields look like to the network that was not trained on them."""

from puzzlecell.domain_shift.run import write_training_look
from puzzlecell.runtime.devices import one_device
from puzzlecell.runtime.job import job

if __name__ == "__main__":
    given, params = snakemake.input, snakemake.params
    with job(snakemake) as progress, one_device(params.device.value) as device:
        write_training_look(
            snakemake.output[0],
            store=given.store,
            masks=given.masks,
            cell_tables=given.cells,
            model=given.model,
            folds=given.folds,
            datasets=params.datasets,
            fold=1,
            group=params.group.value,
            settings=params.settings,
            device=device,
            threads=snakemake.threads,
            progress=progress,
        )
