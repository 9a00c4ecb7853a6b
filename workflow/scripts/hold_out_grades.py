"""Choose the graded cells that no stage learns from."""

from puzzlecell.runtime.job import job
from puzzlecell.teaching.held_out import write_held_out

if __name__ == "__main__":
    given, params = snakemake.input, snakemake.params
    with job(snakemake):
        write_held_out(
            snakemake.output[0],
            grades=params.grades,
            unlabelled=params.unlabelled,
            labels=params.labels,
            tables=params.tables,
            contents=given.contents,
            classes=given.classes,
            settings=params.settings,
            folds=params.folds,
            without_class=params.without_class.value,
        )
