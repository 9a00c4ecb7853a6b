"""Write the answer per field: from the network, from its cells, and in the format of HPA 2018."""

from puzzlecell.ensemble.field_calls import write_field_answer
from puzzlecell.runtime.job import job

if __name__ == "__main__":
    given, params = snakemake.input, snakemake.params
    with job(snakemake):
        write_field_answer(
            snakemake.output.fields,
            snakemake.output.hpa2018,
            image_tables=given.images,
            stages=params.stages.value,
            cells=given.cells,
            rejected=given.rejected,
            thresholds=given.thresholds,
            classes=given.classes,
            settings=params.settings,
            negative=params.negative.value,
        )
