"""Make the soft targets of the cells of a data set from the predictions of the teachers of a stage."""

from puzzlecell.config.class_table import read_classes
from puzzlecell.runtime.job import job
from puzzlecell.teaching.fields import field_facts
from puzzlecell.teaching.targets import teacher_tables, write_targets

if __name__ == "__main__":
    given, params, dataset = snakemake.input, snakemake.params, snakemake.wildcards.ds
    with job(snakemake):
        classes = read_classes(given.classes)
        write_targets(
            snakemake.output[0],
            dataset=dataset,
            teachers=teacher_tables(
                [teacher.weight for teacher in params.teachers.value],
                params.held_out.value,
                given.predictions,
                folds=params.folds.count,
            ),
            cell_tables=given.cells,
            graded=next(iter(given.graded), None),
            fields=field_facts(
                dataset,
                labelled=params.labelled,
                labels=params.tables.value,
                folds_csv=given.folds,
                contents=given.contents,
                seen=params.seen,
                settings=params.folds,
                cell_tables=given.cells,
                classes=classes,
                without_class=params.labels.without_class,
            ),
            classes=classes,
            negative=params.negative.value,
            settings=params.settings,
        )
