"""Write the part of the viewer that shows one shard: its numbers, outlines and pictures."""

from puzzlecell.runtime.job import job
from puzzlecell.viewer.budget import budget_line, shard_cost
from puzzlecell.viewer.shard_job import shard_of_job
from puzzlecell.viewer.write_shard import write_shard_view

if __name__ == "__main__":
    name = f"{snakemake.wildcards.ds}/{snakemake.wildcards.sh}"
    with job(snakemake) as progress:
        view = shard_of_job(snakemake)
        progress(0, 1, budget_line(name, shard_cost(view)))
        write_shard_view(snakemake.output[0], view, name, progress=progress)
