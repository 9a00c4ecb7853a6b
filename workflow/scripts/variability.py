"""Compute how much the cells of fields and of antibodies differ in what they show."""

from puzzlecell.calibration.apply import with_calls
from puzzlecell.config.class_table import read_classes
from puzzlecell.data.calibration_table import read_calibration
from puzzlecell.data.tables import read_parquet
from puzzlecell.ensemble.out_of_fold import grouped
from puzzlecell.runtime.job import job
from puzzlecell.scoring.cell_truth import graded_cells, known_cells
from puzzlecell.scoring.variability import write_variability

if __name__ == "__main__":
    given, params = snakemake.input, snakemake.params
    with job(snakemake) as progress:
        names, known = read_classes(given.classes), {}
        rows = read_calibration(given.calibration[0], names) if given.calibration else None
        masks = grouped(given.masks, params.shards.value)
        for number, dataset in enumerate(params.datasets):
            cells = read_parquet(given.known[number])
            if rows is not None:
                cells = with_calls(cells, rows, names)
            known[dataset] = (
                known_cells(
                    cells, given.truth[number], masks[number], classes=len(names), settings=params.score
                )
                if number < len(given.truth)
                else graded_cells(cells, given.graded[number - len(given.truth)])
            )
            progress(number + 1, len(params.datasets))
        write_variability(
            snakemake.output[0],
            read_parquet(given.answer),
            known,
            names,
            params.settings,
            group=params.group.value,
        )
