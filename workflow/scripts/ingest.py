"""Read the raw fields of a shard, resize them and store them."""

from puzzlecell.data.duplicates import write_contents
from puzzlecell.data.field_sources import field_sources
from puzzlecell.data.field_summary import read_summary
from puzzlecell.data.ingest import ingest_shard
from puzzlecell.data.pixel_sizes import stated_pixel_sizes
from puzzlecell.data.plausibility import check, warn
from puzzlecell.runtime.job import job

if __name__ == "__main__":
    params, shard = snakemake.params, int(snakemake.wildcards.sh)
    with job(snakemake) as progress:
        sources = field_sources(params.raw.value)
        ingest_shard(
            snakemake.output.store,
            snakemake.output.rejected,
            images=sources,
            field_ids=sources.of_shard(shard, params.shards.value),
            settings=params.settings,
            threads=snakemake.threads,
            progress=progress,
        )
        write_contents(snakemake.output.contents, snakemake.output.store)
        summary = read_summary(
            snakemake.wildcards.ds,
            stated_pixel_sizes(params.pixel_size_um.value, params.raw.value),
            [snakemake.output.store],
        )
        check(summary, params.plausibility, params.plausibility.min_fields)
        warn(summary, params.plausibility)
