"""Write the embeddings that a network from elsewhere gives the cells of a shard."""

from puzzlecell.data.field_sources import image_sources
from puzzlecell.data.pixel_sizes import stated_pixel_sizes
from puzzlecell.inference.embeddings import embed_read_shard
from puzzlecell.runtime.devices import one_device
from puzzlecell.runtime.job import job

if __name__ == "__main__":
    given, params = snakemake.input, snakemake.params
    with job(snakemake) as progress, one_device(params.device.value) as device:
        settings = params.settings.value
        embed_read_shard(
            snakemake.output[0],
            store=given.store,
            masks=given.masks,
            cell_table=given.cells,
            weights=given.weights,
            settings=settings,
            pixel_sizes=stated_pixel_sizes(params.pixel_size_um.value, params.raw.value),
            images=image_sources(params.raw.value) if settings.source == "raw" else None,
            device=device,
            threads=snakemake.threads,
            progress=progress,
        )
