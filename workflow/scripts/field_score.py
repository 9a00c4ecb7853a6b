"""Compare the calls per field with the labels of a labelled data set."""

from puzzlecell.runtime.job import job
from puzzlecell.scoring.field_score import write_field_score

if __name__ == "__main__":
    given = snakemake.input
    with job(snakemake):
        write_field_score(
            snakemake.output[0],
            answer=given.answer,
            labels=snakemake.params.labels,
            classes=given.classes,
            without_class=snakemake.params.without_class,
        )
