"""How well held-out fields are recognised as a whole, class by class, and the thresholds that suit them."""

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
        )
