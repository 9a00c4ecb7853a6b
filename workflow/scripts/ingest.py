"""Read the raw fields of a shard, resize them and store them."""

from puzzlecell.data.ingest import ingest_shard
from puzzlecell.data.raw_files import shard_ids
from puzzlecell.runtime.job import job


def main(store, rejected, images, labels, shard, shards, settings, threads, progress):
    field_ids = shard_ids(labels, shard, shards)
    ingest_shard(
        store, rejected, images, field_ids, settings["size"], settings["max_rejected"], threads, progress
    )


if __name__ == "__main__":
    title = f"ingest {snakemake.wildcards.ds}/{snakemake.wildcards.sh}"
    with job(title, snakemake.log[0], snakemake.params.settings) as progress:
        main(
            snakemake.output.store,
            snakemake.output.rejected,
            snakemake.params.images,
            snakemake.params.labels,
            int(snakemake.wildcards.sh),
            snakemake.params.shards,
            snakemake.params.settings,
            snakemake.threads,
            progress,
        )
