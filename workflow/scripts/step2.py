"""Run step 2 on a shard: crop each cell and classify it individually."""

from puzzlecell.data.field_sources import image_sources
from puzzlecell.inference.step2 import step2_shard
from puzzlecell.runtime.devices import one_device
from puzzlecell.runtime.job import job

if __name__ == "__main__":
    given, params = snakemake.input, snakemake.params
    with job(snakemake) as progress, one_device(params.device.value) as device:
        step2_shard(
            snakemake.output.cells,
            store=given.store,
            masks=given.masks,
            models=given.models,
            settings=params.settings,
            images=image_sources(params.raw.value) if params.settings.source == "raw" else None,
            device=device,
            threads=snakemake.threads,
            progress=progress,
        )
