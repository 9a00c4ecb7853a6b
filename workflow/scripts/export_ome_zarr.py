"""Write a field with its cells as OME-Zarr."""

from puzzlecell.config.class_table import read_classes
from puzzlecell.data.field_sources import image_sources
from puzzlecell.data.pixel_sizes import stated_pixel_sizes
from puzzlecell.formats.export_ome_zarr import FieldFiles, export_ome_zarr
from puzzlecell.runtime.job import job

if __name__ == "__main__":
    given, params = snakemake.input, snakemake.params
    with job(snakemake):
        raw = params.raw.value
        export_ome_zarr(
            snakemake.output[0],
            params.field.value,
            FieldFiles(given.store, given.masks, given.answer, image_sources(raw)),
            pixel_sizes=stated_pixel_sizes(params.pixel_size_um.value, raw),
            max_megapixels=params.max_megapixels.value,
            classes=read_classes(given.classes),
            negative=params.negative,
            settings=params.settings,
        )
