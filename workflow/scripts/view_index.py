"""Write the page of the viewer and what it says of the run as a whole."""

from pathlib import Path

from puzzlecell.config.class_table import read_classes
from puzzlecell.data.calibration_table import read_calibration
from puzzlecell.runtime.job import job
from puzzlecell.viewer.index import copy_page, run_content, write_run

if __name__ == "__main__":
    given, params, output = snakemake.input, snakemake.params, snakemake.output
    with job(snakemake):
        names = read_classes(given.classes)
        calibration = read_calibration(given.calibration, names) if given.calibration else None
        content = run_content(
            dict(zip(params.shards, given.shards, strict=True)),
            params.whole.value,
            names,
            negative=params.negative.value,
            calibration=calibration,
        )
        write_run(output.index, content)
        copy_page(Path(output.index).parents[1])
