"""Write the part of the viewer that shows one shard: its numbers, outlines and pictures."""

from puzzlecell.runtime.job import job
from puzzlecell.viewer.shard_job import shard_of_job
from puzzlecell.viewer.write_shard import write_shard_view

if __name__ == "__main__":
    wildcards = snakemake.wildcards
    with job(snakemake) as progress:
        write_shard_view(
            snakemake.output[0], shard_of_job(snakemake), f"{wildcards.ds}/{wildcards.sh}", progress=progress
        )
