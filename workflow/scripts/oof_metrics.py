"""How well held-out fields are recognised as a whole, class by class, and the thresholds that suit them."""

import pandas as pd

from puzzlecell.data.labels import read_classes, read_labels
from puzzlecell.inference.out_of_fold import image_metrics, labelled
from puzzlecell.runtime.atomic import written_whole
from puzzlecell.runtime.job import job
from puzzlecell.scoring.thresholds import search_thresholds


def main(metrics, thresholds, images, labels, classes):
    names = read_classes(classes)
    probabilities = pd.concat([pd.read_csv(path, dtype={"ID": str}) for path in images], ignore_index=True)
    table = pd.concat([read_labels(path, names) for path in labels])
    with written_whole(metrics) as temporary:
        image_metrics(probabilities, table).to_csv(temporary, index=False, float_format="%.4f")
    with written_whole(thresholds) as temporary:
        found = search_thresholds(*labelled(probabilities, table), names)
        found.to_csv(temporary, index=False, float_format="%.4f")


if __name__ == "__main__":
    with job(f"write {snakemake.output.metrics}", snakemake.log[0]):
        main(
            snakemake.output.metrics,
            snakemake.output.thresholds,
            list(snakemake.input.images),
            list(snakemake.input.labels),
            snakemake.input.classes,
        )
