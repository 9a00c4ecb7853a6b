# Embeddings of cells: which there are, and what their rules read.
from puzzlecell.config.export import PREDICTED
from puzzlecell.runtime.snakemake_internals import asked_for

EMBEDDED = settings.embedded_stages()
EMBEDDED_STAGES = [(model, stage) for model, stage in EMBEDDED if settings.has_stages(model)]
EMBEDDED_READERS = [model for model, _ in EMBEDDED if model in READERS]
EMBEDDED_SETS = settings.datasets_of(*PREDICTED)


def named(stages):
    """Pattern of the models of a path `.../model.stage/...` with one of these stages (model, stage)."""
    return "|".join(rf"{model}(?=\.{stage}/)" for model, stage in stages) or NOTHING


def embedding_files(dataset):
    """Files of embeddings of a data set, one per shard, by the member `<model>.<stage>`."""
    pattern = "results/embeddings/{{ds}}/{}/{{sh}}.h5"
    names = [f"{model}.{stage}" for model, stage in EMBEDDED]
    return {name: per_shard(pattern.format(name), [dataset]) for name in names}


def exported_embeddings(dataset):
    """Embeddings that the AnnData file of a data set has: those that are kept, are asked for, or are there."""
    wanted = settings.embeddings.keep or asked_for(workflow, "embeddings")
    return {
        name: paths
        for name, paths in embedding_files(dataset).items()
        if wanted or all(exists(in_bucket(path)) for path in paths)
    }


def embedding_settings(wildcards):
    """Settings of the step whose way of reading cells gives a member its embeddings."""
    return getattr(settings, f"step{settings.embedding_step(wildcards.model, wildcards.stage)}")


def embedding_pictures(wildcards):
    """Pictures of all members on all data sets that have predictions."""
    if not EMBEDDED:
        raise WorkflowError("embeddings: no member of the ensemble has embeddings")
    return [
        f"results/embeddings/{ds}/{model}.{stage}/{method}.png"
        for ds in EMBEDDED_SETS
        for model, stage in EMBEDDED
        for method in settings.embeddings.pictures
    ]


def all_embeddings(wildcards):
    """All files of embeddings, also those that no picture is made of."""
    return [path for ds in EMBEDDED_SETS for paths in embedding_files(ds).values() for path in paths]


def picture_problems():
    """Packages that pictures of embeddings need and that are not there."""
    from puzzlecell.formats.requirements import missing_packages

    methods = {wildcards.method for wildcards in planned_wildcards(workflow, "embedding_picture")}
    return [f"embeddings.pictures: {problem}" for problem in missing_packages(sorted(methods))]
