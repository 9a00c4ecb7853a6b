# The ensemble out of fold: its predictions for the cells of labelled data sets, by models that have not seen the fields.
IN_FOLDS = settings.datasets_of("train", "additional")


def seen_stage(model, stage, dataset):
    """The stage that a stage starts from, over any number of steps, and that is trained on a data set; None: none."""
    start = settings.models[model].stages[stage].start
    while start is not None:
        given = settings.models[model].stages[start]
        if dataset in given.datasets:
            return start
        start = given.start
    return None


def unseen_tables(dataset, names, of_fold, of_shard):
    """Predictions of a stage for a data set by models that have not seen its fields.

    of_fold, of_shard: patterns of the tables of a fold's fields and of a shard's, the mean over all models.
    """
    model, stage = names
    if dataset in settings.models[model].stages[stage].datasets:
        return expand(of_fold, model=model, stage=stage, fold=FOLDS)
    seen = seen_stage(model, stage, dataset) if dataset in IN_FOLDS else None
    if seen is not None:
        raise WorkflowError(
            f"there are no out-of-fold predictions of models.{model}.stages.{stage} for {dataset}: it is not trained on "
            f"this data set, but starts from {seen}, which is; add {dataset} to the data sets of {stage}"
        )
    return expand(of_shard, ds=dataset, model=model, stage=stage, sh=shards(dataset))


def unseen_members(dataset):
    """For each ensemble member in turn: its out-of-fold tables of cells."""
    of_fold = {1: "csv", 2: "step2.parquet"}
    return [
        unseen_tables(
            dataset,
            (member.model, member.stage),
            f"results/oof/{{model}}/{{stage}}/fold{{fold}}.{of_fold[member.step]}",
            f"results/step{member.step}/{{ds}}/{{model}}.{{stage}}/{{sh}}.parquet",
        )
        for member in settings.ensemble.members
    ]


def unseen_images(dataset):
    """For each stage of the ensemble that predicts whole fields: its out-of-fold tables of fields."""
    return [
        unseen_tables(
            dataset,
            names,
            "results/oof/{model}/{stage}/fold{fold}.images.csv",
            "results/step1/{ds}/{model}.{stage}/{sh}.images.parquet",
        )
        for names in member_stages()
        if settings.models[names[0]].stages[names[1]].kind == "fields"
    ]


def csv_of(groups):
    """The CSV files among groups of tables."""
    return [path for group in groups for path in group if path.endswith(".csv")]


rule oof_cells:
    input:
        cells=lambda wildcards: per_shard("results/masks/{ds}/{sh}.cells.parquet", [wildcards.ds]),
        members=lambda wildcards: [path for group in unseen_members(wildcards.ds) for path in group],
        images=lambda wildcards: [path for group in unseen_images(wildcards.ds) for path in group],
        folds=lambda wildcards: "results/folds/folds.csv" if wildcards.ds in IN_FOLDS else [],
        checksums=lambda wildcards: checksums(
            *csv_of(unseen_members(wildcards.ds)),
            *csv_of(unseen_images(wildcards.ds)),
            *(["results/folds/folds.csv"] if wildcards.ds in IN_FOLDS else []),
        ),
    output:
        "results/oof/cells/{ds}.parquet",
    log:
        "results/logs/oof/cells/{ds}.log",
    benchmark:
        "results/benchmarks/oof/cells/{ds}.tsv"
    wildcard_constraints:
        ds="|".join(settings.datasets_of("train", "additional", "holdout")) or "none",
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000, 0.05, in_dataset),
        runtime=minutes(30, 0.1 / 60, in_dataset),
    params:
        **tracked(results.ensemble(settings)),
        settings=settings.ensemble,
        members=lambda wildcards: Untracked([len(group) for group in unseen_members(wildcards.ds)]),
        images=lambda wildcards: Untracked([len(group) for group in unseen_images(wildcards.ds)]),
        negative=Untracked(NEGATIVE),
        code=code("oof_cells"),
    message:
        "Out-of-fold predictions of the ensemble for {wildcards.ds}"
    script:
        "../workflow/scripts/oof_cells.py"
