"""Write the class activation maps of a shard, for the viewer and as pictures."""

from puzzlecell.config.class_table import read_classes
from puzzlecell.runtime.devices import one_device
from puzzlecell.runtime.job import job
from puzzlecell.viewer.cams import ShardTables, write_cams

if __name__ == "__main__":
    given, params = snakemake.input, snakemake.params
    with job(snakemake) as progress, one_device(params.device.value) as device:
        write_cams(
            snakemake.output.maps,
            snakemake.output.pictures,
            store=given.store,
            masks=given.masks,
            models=given.models,
            tables=ShardTables(given.cells, given.members, given.images, list(given.calibration)),
            names=read_classes(given.classes),
            settings=params.settings,
            negative=params.negative.value,
            fields=params.fields,
            device=device,
            threads=snakemake.threads,
            progress=progress,
        )
