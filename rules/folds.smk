# Training sets read from files may hold an image twice; simulated fields all differ.
of_files = [ds for ds in settings.datasets_of("train", "additional") if not settings.datasets[ds].simulate]
contents_of_files = per_shard("results/store/{ds}/{sh}.contents.csv", of_files)
fold_tables = [f"results/folds/{name}.csv" for name in ("folds", "report", "warnings")]


rule split_folds:
    input:
        labels=tables("labels", settings.datasets_of("train", "additional")),
        contents=contents_of_files,
        checksums=checksums(*contents_of_files),
        classes=settings.classes,
    output:
        folds="results/folds/folds.csv",
        report="results/folds/report.csv",
        warnings="results/folds/warnings.csv",
        checksums=checksums(*fold_tables),
    log:
        "results/logs/split_folds.log",
    localrule: True
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=minutes(30),
    params:
        **tracked(results.folds(settings)),
        train={ds: here(raw(ds, "labels")) for ds in settings.datasets_of("train")},
        additional={ds: here(raw(ds, "labels")) for ds in settings.datasets_of("additional")},
        settings=settings.folds,
        labels=settings.labels,
        code=code("split_folds"),
    message:
        "Split the training fields into folds"
    script:
        "../workflow/scripts/split_folds.py"


rule folds:
    input:
        # Where nothing is trained, there is nothing to split.
        rules.split_folds.output if settings.datasets_of("train", "additional") else [],
