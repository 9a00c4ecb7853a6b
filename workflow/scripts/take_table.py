"""Take the probabilities of the cells of a shard from a table that another program has written."""

from puzzlecell.config.class_table import read_classes
from puzzlecell.data.foreign_predictions import take_shard
from puzzlecell.runtime.job import job

if __name__ == "__main__":
    given = snakemake.input
    with job(snakemake):
        take_shard(
            snakemake.output.cells,
            table=given.table,
            cell_table=given.cells,
            classes=read_classes(given.classes),
            shard=int(snakemake.wildcards.sh),
            shards=snakemake.params.shards.value,
        )
