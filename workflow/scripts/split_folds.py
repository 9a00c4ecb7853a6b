"""Split the training fields into folds, stratified over all classes at once."""

from puzzlecell.files import written_whole
from puzzlecell.folds import assign_folds
from puzzlecell.job import job
from puzzlecell.labels import read_classes, read_labels


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
