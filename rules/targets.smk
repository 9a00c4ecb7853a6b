# Soft targets of the cells of a stage of the kind `cells`, made of out-of-fold predictions of its teachers.


def taught_stages(labels):
    """(model, stage) pairs of the stages of the kind `cells` that learn from these labels."""
    return [
        (model, name)
        for model, given in settings.models.items()
        for name, stage in given.stages.items()
        if stage.kind == "cells" and stage.labels == labels
    ]


def target_files(model, stage):
    """Targets of a stage, one table per data set; none of a stage that is trained on fields."""
    return [
        f"results/targets/{model}/{stage}/{ds}.parquet"
        for ds in settings.models[model].stages[stage].datasets
        if settings.models[model].stages[stage].kind == "cells"
    ]


def has_seen(teacher, dataset):
    """Whether a teacher was trained on a data set, so that only one of its networks has not seen a field of it."""
    return dataset in settings.held_out_sets(teacher.model, teacher.stage)


def teacher_tables(teacher, dataset):
    """Predictions of a teacher for a data set: a table per fold if it has seen the data set, else one per shard."""
    model, stage, step = teacher.model, teacher.stage, teacher.step
    if has_seen(teacher, dataset):
        ending = "csv" if step == 1 else "step2.parquet"
        return [f"results/oof/{model}/{stage}/fold{fold}.{ending}" for fold in FOLDS]
    return per_shard(f"results/step{step}/{{ds}}/{model}.{stage}/{{sh}}.parquet", [dataset])


def teachers(wildcards):
    """Teachers of a stage."""
    return settings.teachers(wildcards.model, wildcards.stage)


def tables_of_teachers(wildcards):
    """Predictions of all teachers of a stage for a data set."""
    return [path for teacher in teachers(wildcards) for path in teacher_tables(teacher, wildcards.ds)]


def seen_with_labels(wildcards):
    """Other data sets with labels whose fields must not be like those of this one.

    They are those on which a teacher was trained that has not seen this one, and for fields in no fold all those from
    which the stage learns.
    """
    strangers = [teacher for teacher in teachers(wildcards) if not has_seen(teacher, wildcards.ds)]
    found = {ds for teacher in strangers for ds in settings.seen_sets(teacher.model, teacher.stage)}
    if not settings.datasets[wildcards.ds].labelled:
        found |= set(settings.held_out_sets(wildcards.model, wildcards.stage))
    return [ds for ds in settings.datasets_of("train", "additional") if ds in found - {wildcards.ds}]


def compared(wildcards):
    """The data sets whose fields are compared: none if there is nothing to compare with."""
    seen = seen_with_labels(wildcards)
    return [*seen, wildcards.ds] if seen else []


def tables_by_dataset(wildcards):
    """Label tables of a data set and of those that it is compared with."""
    paths = {ds: label_table(ds) for ds in dict.fromkeys([wildcards.ds, *seen_with_labels(wildcards)])}
    return {ds: here(path) for ds, path in paths.items() if path is not None}


rule targets:
    input:
        predictions=tables_of_teachers,
        cells=lambda wildcards: per_shard("results/masks/{ds}/{sh}.cells.parquet", [wildcards.ds]),
        labels=lambda wildcards: tables("labels", [wildcards.ds, *seen_with_labels(wildcards)]),
        contents=lambda wildcards: per_shard("results/store/{ds}/{sh}.contents.csv", compared(wildcards)),
        folds="results/folds/folds.csv",
        checksums=lambda wildcards: checksums(
            "results/folds/folds.csv",
            *(path for path in tables_of_teachers(wildcards) if path.endswith(".csv")),
            *per_shard("results/store/{ds}/{sh}.contents.csv", compared(wildcards)),
        ),
        classes=settings.classes,
    output:
        "results/targets/{model}/{stage}/{ds}.parquet",
    log:
        "results/logs/targets/{model}/{stage}/{ds}.log",
    benchmark:
        "results/benchmarks/targets/{model}/{stage}/{ds}.tsv"
    wildcard_constraints:
        model=models_with(taught_stages("predicted")),
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000, 0.1, in_dataset),
        runtime=minutes(30, 0.1 / 60, in_dataset),
    params:
        **tracked_by(
            {names: results.targets(settings, *names) for names in taught_stages("predicted")},
            lambda wildcards: (wildcards.model, wildcards.stage),
        ),
        settings=lambda wildcards: settings.models[wildcards.model].stages[wildcards.stage].targets,
        teachers=lambda wildcards: Untracked(teachers(wildcards)),
        held_out=lambda wildcards: Untracked(
            [has_seen(teacher, wildcards.ds) for teacher in teachers(wildcards)]
        ),
        seen=seen_with_labels,
        labelled=lambda wildcards: settings.datasets[wildcards.ds].labelled,
        tables=lambda wildcards: Untracked(tables_by_dataset(wildcards)),
        folds=settings.folds,
        labels=settings.labels,
        negative=Untracked(NEGATIVE),
        code=code("targets"),
    message:
        "Targets of {wildcards.model}, {wildcards.stage} on {wildcards.ds}"
    script:
        "../workflow/scripts/targets.py"
