# The answer per field, in addition to the one per cell: probabilities and called classes, also in the format of HPA 2018.


rule field_thresholds:
    input:
        held_out=[
            f"results/models/{model}/{stage}/fold{fold}/oof.csv"
            for model, stage in (member_stages("fields") if settings.fields.out_of_fold else [])
            for fold in FOLDS
        ],
        checksums=checksums(
            *(
                f"results/models/{model}/{stage}/fold{fold}/oof.csv"
                for model, stage in (member_stages("fields") if settings.fields.out_of_fold else [])
                for fold in FOLDS
            )
        ),
        table=[settings.fields.threshold_file] if settings.fields.threshold_file else [],
        classes=settings.classes,
    output:
        "results/field_thresholds.csv",
        checksums=checksums("results/field_thresholds.csv"),
    log:
        "results/logs/field_thresholds.log",
    localrule: True
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=minutes(30),
    params:
        **tracked(results.field_thresholds(settings)),
        settings=settings.fields,
        folds=Untracked(len(FOLDS)),
        code=code("field_thresholds"),
    message:
        "Thresholds of the classes of fields"
    script:
        "../workflow/scripts/field_thresholds.py"


rule field_answer:
    input:
        images=lambda wildcards: image_tables(wildcards.ds),
        cells="results/cells/{ds}.parquet",
        rejected=lambda wildcards: per_shard("results/store/{ds}/{sh}.rejected.csv", [wildcards.ds]),
        thresholds="results/field_thresholds.csv",
        checksums=lambda wildcards: checksums(
            "results/field_thresholds.csv",
            *per_shard("results/store/{ds}/{sh}.rejected.csv", [wildcards.ds]),
        ),
        classes=settings.classes,
    output:
        fields=report(
            "results/fields/{ds}.csv",
            caption="../workflow/report/fields.rst",
            category="Fields",
            labels={"data set": "{ds}", "shows": "classes of each field"},
        ),
        hpa2018="results/fields/{ds}.hpa2018.csv",
        checksums=checksums("results/fields/{ds}.csv", "results/fields/{ds}.hpa2018.csv"),
    log:
        "results/logs/fields/{ds}.log",
    localrule: True
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000, 0.05, in_dataset),
        runtime=minutes(30, 0.1 / 60, in_dataset),
    params:
        **tracked(results.fields(settings)),
        settings=settings.fields,
        stages=Untracked(len(member_stages("fields"))),
        negative=Untracked(NEGATIVE),
        code=code("field_answer"),
    message:
        "Classes of the fields of {wildcards.ds}"
    script:
        "../workflow/scripts/field_answer.py"


rule field_score:
    input:
        answer="results/fields/{ds}.csv",
        labels=lambda wildcards: tables("labels", [wildcards.ds]),
        checksums=checksums("results/fields/{ds}.csv"),
        classes=settings.classes,
    output:
        report(
            "results/fields/{ds}.score.csv",
            caption="../workflow/report/field_score.rst",
            category="Score",
            labels={"data set": "{ds}", "shows": "table of fields"},
        ),
        checksums=checksums("results/fields/{ds}.score.csv"),
    log:
        "results/logs/fields/{ds}.score.log",
    localrule: True
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=minutes(30),
    params:
        **tracked(results.deciding(settings.labels, "labels")),
        labels=lambda wildcards: here(raw(wildcards.ds, "labels")),
        without_class=Untracked(settings.labels.without_class),
        code=code("field_score"),
    message:
        "Compare the classes of the fields of {wildcards.ds} with their labels"
    script:
        "../workflow/scripts/field_score.py"


# Nothing, if no member of the ensemble predicts whole fields.
rule fields:
    input:
        expand("results/fields/{ds}.csv", ds=settings.datasets_of("test", "holdout") if FIRST else []),
        expand("results/fields/{ds}.score.csv", ds=settings.datasets_of("holdout") if FIRST else []),
