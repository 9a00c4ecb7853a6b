"""Join the tables of all ensemble members with the cell table: the answer of the pipeline."""

from puzzlecell.config.ensemble import EnsembleSettings
from puzzlecell.ensemble.combine import ensemble_cells, mean_table
from puzzlecell.runtime.atomic import written_whole
from puzzlecell.runtime.job import job
from puzzlecell.scoring.baselines import read_parts


def main(output, cells, members, images, settings, negative):
    settings = EnsembleSettings(**settings)
    cell_table = read_parts(cells, 1)[0]
    tables = read_parts(members, len(settings.members))
    weighted = [(table, member.weight) for table, member in zip(tables, settings.members, strict=True)]
    of_fields = mean_table([(table, 1.0) for table in read_parts(images, len(images) // len(cells))])
    answer = ensemble_cells(cell_table, weighted, of_fields, settings, negative=negative)
    with written_whole(output) as temporary:
        answer.to_parquet(temporary, index=False)


if __name__ == "__main__":
    with job(f"ensemble {snakemake.wildcards.ds}", snakemake.log[0], snakemake.params.settings):
        main(
            snakemake.output[0],
            snakemake.input.cells,
            snakemake.input.members,
            snakemake.input.images,
            snakemake.params.settings,
            snakemake.params.negative,
        )
