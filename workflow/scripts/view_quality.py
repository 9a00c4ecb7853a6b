"""Compare the answer for a data set with its truth, and describe its segmentation, for the viewer."""

from puzzlecell.config.class_table import read_classes
from puzzlecell.data.pixel_sizes import stated_pixel_sizes
from puzzlecell.runtime.job import job
from puzzlecell.viewer.quality import QualityFiles, write_quality

if __name__ == "__main__":
    given, params = snakemake.input, snakemake.params
    with job(snakemake):
        write_quality(
            snakemake.output[0],
            snakemake.wildcards.ds,
            QualityFiles(
                given.answer,
                given.store,
                given.masks,
                given.truth[0] if given.truth else None,
                given.score[0] if given.score else None,
            ),
            read_classes(given.classes),
            pixel_sizes=stated_pixel_sizes(params.configured_um.value, params.raw.value),
            settings=params.settings,
        )
