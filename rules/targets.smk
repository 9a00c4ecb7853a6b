# Soft targets of the cells of a stage of the kind `cells`, made of out-of-fold predictions of its teachers.
rule targets:
    input:
        predictions=tables_of_teachers,
        cells=lambda wildcards: per_shard("results/masks/{ds}/{sh}.cells.parquet", [wildcards.ds]),
        labels=lambda wildcards: tables("labels", [wildcards.ds, *seen_with_labels(wildcards)]),
        contents=lambda wildcards: per_shard("results/store/{ds}/{sh}.contents.csv", compared(wildcards)),
        folds="results/folds/folds.csv",
        # Grades of the data set overrule predictions.
        graded=lambda wildcards: expand(
            "results/grades/{ds}.parquet", ds=[wildcards.ds] if wildcards.ds in TEACHING else []
        ),
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
