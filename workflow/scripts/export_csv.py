"""Write the predictions of a data set as a compressed CSV with the names of the classes."""

from puzzlecell.config.class_table import read_classes
from puzzlecell.formats.cell_csv import export_csv
from puzzlecell.runtime.job import job

if __name__ == "__main__":
    given = snakemake.input
    with job(snakemake) as progress:
        export_csv(snakemake.output.file, given.answer, read_classes(given.classes), progress)
