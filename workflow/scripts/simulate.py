"""Simulate a data set: raw fields, label table and ground truth per cell."""

from pathlib import Path

from puzzlecell.config.class_table import read_classes
from puzzlecell.runtime.job import job
from puzzlecell.simulate.dataset import simulate_dataset

if __name__ == "__main__":
    params = snakemake.params
    with job(snakemake) as progress:
        simulate_dataset(
            Path(snakemake.output.labels).parent,
            params.settings,
            params.seed.value,
            labelled=params.labelled,
            held_out=params.held_out.value,
            classes=read_classes(snakemake.input.classes),
            negative=params.negative.value,
            threads=snakemake.threads,
            progress=progress,
        )
