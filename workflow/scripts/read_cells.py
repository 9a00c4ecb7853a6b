"""Read the cells of a shard one by one with a network that comes from elsewhere."""

from puzzlecell.config.class_table import read_classes
from puzzlecell.data.field_sources import image_sources
from puzzlecell.data.location_table import read_location_classes
from puzzlecell.data.pixel_sizes import stated_pixel_sizes
from puzzlecell.inference.subcell import subcell_shard
from puzzlecell.network.subcell_file import LOCATIONS
from puzzlecell.runtime.devices import one_device
from puzzlecell.runtime.job import job

if __name__ == "__main__":
    given, params = snakemake.input, snakemake.params
    with job(snakemake) as progress, one_device(params.device.value) as device:
        subcell_shard(
            snakemake.output.cells,
            store=given.store,
            masks=given.masks,
            weights=given.weights,
            settings=params.settings,
            members=read_location_classes(given.locations, LOCATIONS, read_classes(given.classes)),
            pixel_sizes=stated_pixel_sizes(params.pixel_size_um.value, params.raw.value),
            images=image_sources(params.raw.value) if params.settings.source == "raw" else None,
            device=device,
            threads=snakemake.threads,
            progress=progress,
        )
