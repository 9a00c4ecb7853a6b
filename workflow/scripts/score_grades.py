"""Score predictions per cell against the grades of held-out cells."""

from puzzlecell.runtime.job import job
from puzzlecell.scoring.graded_score import write_graded_score

if __name__ == "__main__":
    given = snakemake.input
    with job(snakemake):
        write_graded_score(
            snakemake.output[0],
            graded=given.graded,
            answer=given.answer,
            classes=given.classes,
            settings=snakemake.params.settings,
        )
