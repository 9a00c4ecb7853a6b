"""Write a file per field with the outlines and predictions of its cells."""

from puzzlecell.config.class_table import read_classes
from puzzlecell.formats.class_colours import class_colours
from puzzlecell.formats.field_files import FileKind, export_fields
from puzzlecell.formats.geojson import GeoJsonWriter
from puzzlecell.formats.imagej import ImageJWriter
from puzzlecell.runtime.job import job

if __name__ == "__main__":
    given, wildcards = snakemake.input, snakemake.wildcards
    with job(snakemake) as progress:
        classes = read_classes(given.classes)
        colours = class_colours(classes, snakemake.params.negative)
        kinds = {
            "geojson": FileKind(GeoJsonWriter(wildcards.ds, classes, colours), ".geojson"),
            "imagej": FileKind(ImageJWriter(classes, colours), ".zip"),
        }
        export_fields(
            snakemake.output[0],
            given.answer,
            masks=given.masks,
            cell_tables=given.cells,
            classes=len(classes),
            kind=kinds[wildcards.form],
            threads=snakemake.threads,
            progress=progress,
        )
