"""Split the training fields into folds, stratified over all classes at once."""

from puzzlecell.data.folds import assign_folds
from puzzlecell.data.labels import read_classes, read_labels
from puzzlecell.runtime.atomic import written_whole
from puzzlecell.runtime.job import job


def main(output, train, additional, classes, settings):
    names = read_classes(classes)
    folds = assign_folds(
        {dataset: read_labels(path, names) for dataset, path in train.items()},
        {dataset: read_labels(path, names) for dataset, path in additional.items()},
        **settings,
    )
    with written_whole(output) as temporary:
        folds.to_csv(temporary, index=False)


if __name__ == "__main__":
    with job("folds", snakemake.log[0], snakemake.params.settings):
        main(
            snakemake.output[0],
            snakemake.params.train,
            snakemake.params.additional,
            snakemake.input.classes,
            snakemake.params.settings,
        )
