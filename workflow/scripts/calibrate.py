"""Fit the calibration of the ensemble on cells that it has not seen and whose classes are known."""

from puzzlecell.calibration.run import CalibrationFiles, write_calibration
from puzzlecell.config.class_table import read_classes
from puzzlecell.data.tables import read_parquet
from puzzlecell.ensemble.out_of_fold import grouped
from puzzlecell.runtime.job import job
from puzzlecell.scoring.cell_truth import graded_cells, known_cells

if __name__ == "__main__":
    given, params, output = snakemake.input, snakemake.params, snakemake.output
    with job(snakemake) as progress:
        names, known = read_classes(given.classes), {}
        masks = grouped(given.masks, params.shards.value)
        for number, (dataset, table) in enumerate(zip(params.datasets, given.cells, strict=True)):
            cells = read_parquet(table)
            if number < len(given.truth):
                found = known_cells(
                    cells, given.truth[number], masks[number], classes=len(names), settings=params.score
                )
            else:
                found = graded_cells(cells, given.graded[number - len(given.truth)])
            known[dataset] = found.cells, found.truth
            progress(number + 1, len(params.datasets), f"{dataset}: {len(found.cells)} known cells")
        write_calibration(
            CalibrationFiles(output.table, output.reliability, output.picture),
            known,
            names,
            params.settings,
            score=params.score,
            folds=params.folds,
            group=params.group.value,
        )
