rule split_folds:
    input:
        labels=tables("labels", settings.datasets_of("train", "additional")),
        classes=settings.classes,
    output:
        "results/folds/folds.csv",
        checksums=checksums("results/folds/folds.csv"),
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
        **tracked(results.deciding(settings.folds, "folds")),
        train={ds: here(raw(ds, "labels")) for ds in settings.datasets_of("train")},
        additional={ds: here(raw(ds, "labels")) for ds in settings.datasets_of("additional")},
        settings=settings.folds,
        code=code("split_folds"),
    message:
        "Split the training fields into folds"
    script:
        "../workflow/scripts/split_folds.py"


rule folds:
    input:
        # Where nothing is trained, there is nothing to split.
        rules.split_folds.output if settings.datasets_of("train", "additional") else [],
