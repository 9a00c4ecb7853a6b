"""Find the graded cells of a data set in its masks, and turn their grades into soft values."""

from puzzlecell.runtime.job import job
from puzzlecell.teaching.graded_cells import GradedFiles, write_graded_cells

if __name__ == "__main__":
    given, params, output = snakemake.input, snakemake.params, snakemake.output
    with job(snakemake):
        write_graded_cells(
            GradedFiles(output.cells, output.report, output.warnings),
            dataset=snakemake.wildcards.ds,
            grades=params.grades,
            cell_tables=given.cells,
            masks=given.masks,
            held_out=next(iter(given.held_out), None),
            teaches=params.teaches,
            classes=given.classes,
            settings=params.settings,
            without_class=params.without_class.value,
        )
