"""Download the raw fields of a data set; what is there is kept."""

from puzzlecell.config.class_table import read_classes
from puzzlecell.data.tables import write_csv
from puzzlecell.download.dataset import download_dataset
from puzzlecell.runtime.job import job

if __name__ == "__main__":
    params = snakemake.params
    with job(snakemake) as progress:
        missing = download_dataset(
            params.folder,
            params.settings,
            read_classes(snakemake.input.classes),
            labels=params.labels,
            progress=progress,
        )
        write_csv(snakemake.output.report, missing)
