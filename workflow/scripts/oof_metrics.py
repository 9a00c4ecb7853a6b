"""Compute image-level metrics of out-of-fold predictions, and the best threshold of each class."""

from puzzlecell.runtime.job import job
from puzzlecell.scoring.image_metrics import write_image_metrics

if __name__ == "__main__":
    with job(snakemake):
        write_image_metrics(
            snakemake.output.metrics,
            snakemake.output.thresholds,
            predictions=snakemake.input.images,
            labels=snakemake.input.labels,
            classes=snakemake.input.classes,
            without_class=snakemake.params.labels.without_class,
        )
