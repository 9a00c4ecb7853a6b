"""Simulate a data set: raw fields, label table and truth per cell."""

from pathlib import Path

from puzzlecell.config.simulation import SimulationSettings
from puzzlecell.runtime.job import job
from puzzlecell.simulate import simulate_dataset


def main(labels, settings, seed, labelled, threads, progress):
    folder = Path(labels).parent
    simulate_dataset(folder, SimulationSettings(**settings), seed, labelled, progress, threads)


if __name__ == "__main__":
    with job(f"simulate {snakemake.wildcards.ds}", snakemake.log[0], dict(snakemake.params)) as progress:
        main(
            snakemake.output.labels,
            snakemake.params.settings,
            snakemake.params.seed,
            snakemake.params.labelled,
            snakemake.threads,
            progress,
        )
