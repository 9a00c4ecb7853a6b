"""Split the training fields into folds, stratified by all classes jointly."""

from puzzlecell.data.write_folds import FoldFiles, write_folds
from puzzlecell.runtime.job import job

if __name__ == "__main__":
    given, params, output = snakemake.input, snakemake.params, snakemake.output
    with job(snakemake):
        write_folds(
            FoldFiles(output.folds, output.report, output.warnings),
            train=params.train,
            additional=params.additional,
            contents=given.contents,
            classes=given.classes,
            settings=params.settings,
            without_class=params.labels.without_class,
        )
