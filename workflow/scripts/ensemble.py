"""Combine the predictions of all ensemble members and add them to the cell table."""

from functools import partial

from puzzlecell.calibration.apply import with_calls
from puzzlecell.config.class_table import read_classes
from puzzlecell.data.calibration_table import read_calibration
from puzzlecell.data.field_sources import metadata_columns
from puzzlecell.data.field_summary import read_summary
from puzzlecell.data.pixel_sizes import stated_pixel_sizes
from puzzlecell.data.plausibility import check
from puzzlecell.ensemble.answer import write_answer
from puzzlecell.runtime.job import job

if __name__ == "__main__":
    given, params = snakemake.input, snakemake.params
    with job(snakemake):
        # Small shards were not judged on their own.
        check(
            read_summary(
                snakemake.wildcards.ds,
                stated_pixel_sizes(params.pixel_size_um.value, params.raw.value),
                given.store,
                given.cells,
            ),
            params.plausibility,
        )
        calls = None
        if given.calibration:
            names = read_classes(given.classes)
            calls = partial(with_calls, rows=read_calibration(given.calibration, names), names=names)
        write_answer(
            snakemake.output[0],
            cell_tables=given.cells,
            member_tables=given.members,
            image_tables=given.images,
            unlike_cells=given.unlike_cells,
            unlike_fields=given.unlike_fields,
            settings=params.settings,
            negative=params.negative.value,
            metadata=metadata_columns(params.raw.value),
            calls=calls,
            classes=params.classes,
        )
