"""Write the page of the viewer and what it says of the run as a whole."""

from pathlib import Path

from puzzlecell.runtime.job import job
from puzzlecell.viewer.index import copy_page, remove_others, write_run
from puzzlecell.viewer.run_job import run_of_job
from puzzlecell.viewer.write_shard import read_facts

if __name__ == "__main__":
    given, params, output = snakemake.input, snakemake.params, snakemake.output
    with job(snakemake):
        facts = {name: read_facts(folder) for name, folder in zip(params.shards, given.shards, strict=True)}
        write_run(output.index, run_of_job(snakemake, facts))
        folder = Path(output.index).parents[1]
        copy_page(folder)
        remove_others(folder, params.shards)
