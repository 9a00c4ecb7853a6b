"""Write the page of the viewer and what it says of the run as a whole."""

from itertools import islice
from pathlib import Path

from puzzlecell.config.class_table import read_classes
from puzzlecell.data.calibration_table import read_calibration
from puzzlecell.runtime.job import job
from puzzlecell.viewer.index import copy_page, run_content, write_run
from puzzlecell.viewer.summary import RunFiles, summary


def run_files(given, params) -> RunFiles:
    """The files that the overview reads, by what they are; `tables` has them one kind after the other."""
    tables, scored = iter(given.tables), params.scored
    # Path and checksum.
    there = {text.rsplit(" ", 1)[0] for text in params.requested}
    calibration = [*given.calibration, "results/calibration/calibration.csv"]
    reliability = [*given.reliability, "results/calibration/reliability.csv"]
    graded = {name: f"results/score/{name}.graded.csv" for name in params.datasets}
    declared = {*given.calibration, *given.reliability}
    return RunFiles(
        answers=dict(zip(params.datasets, given.answers, strict=True)),
        scores=dict(zip(scored, islice(tables, len(scored)), strict=True)),
        class_scores=dict(zip(scored, islice(tables, len(scored)), strict=True)),
        rejected={name: list(islice(tables, count)) for name, count in params.listed.value.items()},
        histories={names: list(islice(tables, folds)) for names, folds in params.trainings.value.items()},
        graded={name: path for name, path in graded.items() if path in there},
        calibration=next((path for path in calibration if path in declared | there), None),
        reliability=next((path for path in reliability if path in declared | there), None),
        licence=given.licence[0] if given.licence else None,
    )


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
        content["summary"] = summary(
            run_files(given, params), params.whole.value, names, quality=params.datasets, warned=params.warned
        )
        write_run(output.index, content)
        copy_page(Path(output.index).parents[1])
