"""Score the ensemble, each step and the broadcast baseline against the ground truth per cell."""

from puzzlecell.runtime.job import job
from puzzlecell.scoring.report import write_score

if __name__ == "__main__":
    given, output = snakemake.input, snakemake.output
    with job(snakemake) as progress:
        write_score(
            output.summary,
            output.classes,
            output.picture,
            truth=given.truth[0],
            masks=given.masks,
            answer=given.ensemble,
            member_tables=given.members,
            members=snakemake.params.members.value,
            image_tables=given.images,
            classes=given.classes,
            settings=snakemake.params.settings,
            progress=progress,
        )
