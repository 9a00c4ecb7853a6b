"""Draw the embeddings of the cells of a data set in two dimensions."""

from puzzlecell.config.class_table import read_classes
from puzzlecell.embedding.run import write_embedding_picture
from puzzlecell.runtime.job import job

if __name__ == "__main__":
    given, params, wildcards = snakemake.input, snakemake.params, snakemake.wildcards
    with job(snakemake):
        write_embedding_picture(
            snakemake.output.picture,
            snakemake.output.table,
            embeddings=given.embeddings,
            answer=given.answer,
            method=wildcards.method,
            title=f"{wildcards.ds}, {wildcards.model}.{wildcards.stage}",
            classes=read_classes(given.classes),
            negative=params.negative,
            settings=params.settings.value,
            threads=snakemake.threads,
        )
