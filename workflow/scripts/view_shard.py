"""Write the part of the viewer that shows one shard: its numbers, outlines and pictures."""

from puzzlecell.config.class_table import read_classes
from puzzlecell.data.calibration_table import read_calibration
from puzzlecell.data.field_sources import metadata_columns
from puzzlecell.data.pixel_sizes import stated_pixel_sizes
from puzzlecell.runtime.job import job
from puzzlecell.viewer.cells import EnsembleRules, ShardFiles
from puzzlecell.viewer.shard import ShardFacts, ShardView
from puzzlecell.viewer.write_shard import write_shard_view

if __name__ == "__main__":
    given, params, wildcards = snakemake.input, snakemake.params, snakemake.wildcards
    with job(snakemake) as progress:
        names = read_classes(given.classes)
        calibration = read_calibration(given.calibration, names) if given.calibration else None
        files = ShardFiles(
            given.store,
            given.masks,
            given.cells,
            members=given.members,
            images=given.images,
            unlike_cells=next(iter(given.unlike_cells), None),
            unlike_fields=next(iter(given.unlike_fields), None),
            truth=next(iter(given.truth), None),
        )
        facts = ShardFacts(
            shards=params.shards.value,
            pixel_sizes=stated_pixel_sizes(params.configured_um.value, params.raw.value),
            metadata=metadata_columns(params.raw.value),
            score=params.score,
        )
        write_shard_view(
            snakemake.output[0],
            ShardView(
                files,
                EnsembleRules(params.ensemble, names, params.negative.value, calibration),
                params.settings,
                facts,
            ),
            f"{wildcards.ds}/{wildcards.sh}",
            progress=progress,
        )
