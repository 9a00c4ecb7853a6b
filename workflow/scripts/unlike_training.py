"""Measure how far the fields and cells of a shard are from the training fields."""

from puzzlecell.domain_shift.run import write_distances
from puzzlecell.runtime.devices import one_device
from puzzlecell.runtime.job import job

if __name__ == "__main__":
    given, params = snakemake.input, snakemake.params
    with job(snakemake) as progress, one_device(params.device.value) as device:
        write_distances(
            snakemake.output.cells,
            snakemake.output.images,
            dataset=snakemake.wildcards.ds,
            store=given.store,
            masks=given.masks,
            cell_table=given.cells,
            model=given.model,
            look=given.look,
            plausibility=params.plausibility,
            device=device,
            threads=snakemake.threads,
            progress=progress,
        )
