"""Write the embeddings of the cells of a shard."""

from puzzlecell.config.steps import Step2Settings
from puzzlecell.data.field_sources import image_sources
from puzzlecell.inference.embeddings import embed_shard
from puzzlecell.runtime.devices import one_device
from puzzlecell.runtime.job import job

if __name__ == "__main__":
    given, params = snakemake.input, snakemake.params
    with job(snakemake) as progress, one_device(params.device.value) as device:
        settings = params.settings.value
        from_raw = isinstance(settings, Step2Settings) and settings.source == "raw"
        embed_shard(
            snakemake.output[0],
            store=given.store,
            masks=given.masks,
            cell_table=given.cells,
            model=given.model,
            settings=settings,
            images=image_sources(params.raw.value) if from_raw else None,
            device=device,
            threads=snakemake.threads,
            progress=progress,
        )
