"""Run step 1 on a shard: class activation maps of whole fields, read under each cell."""

from puzzlecell.inference.step1 import step1_shard
from puzzlecell.runtime.devices import one_device
from puzzlecell.runtime.job import job

if __name__ == "__main__":
    given, params = snakemake.input, snakemake.params
    with job(snakemake) as progress, one_device(params.device.value) as device:
        step1_shard(
            snakemake.output.cells,
            snakemake.output.images,
            store=given.store,
            masks=given.masks,
            models=given.models,
            settings=params.settings,
            negative=params.negative.value,
            device=device,
            threads=snakemake.threads,
            progress=progress,
        )
