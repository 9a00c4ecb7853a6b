# How much the cells of a field, and of all fields of an antibody, differ in what they show; on request.
# Data sets on whose cells the errors of the ensemble are measured: those with ground truth first, then the graded ones.
MEASURED = [*true_sets(), *graded_sets()]


rule cell_variability:
    input:
        answer="results/cells/{ds}.parquet",
        known=expand("results/oof/cells/{ds}.parquet", ds=MEASURED),
        truth=tables("truth", true_sets()),
        masks=per_shard("results/masks/{ds}/{sh}.h5", true_sets()),
        graded=expand("results/grades/{ds}.parquet", ds=graded_sets()),
        calibration=[CALIBRATION] if CALIBRATION and MEASURED else [],
        checksums=checksums(CALIBRATION) if CALIBRATION == RUN_CALIBRATION and MEASURED else [],
        classes=settings.classes,
    output:
        report(
            "results/variability/{ds}.csv",
            caption="../workflow/report/variability.rst",
            category="Variability",
            labels={"data set": "{ds}", "shows": "table of fields and antibodies"},
        ),
        checksums=checksums("results/variability/{ds}.csv"),
    log:
        "results/logs/variability/{ds}.log",
    benchmark:
        "results/benchmarks/variability/{ds}.tsv"
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=growing(8000, 0.1, in_dataset),
        runtime=minutes(60, 1 / 60, in_dataset),
    params:
        **tracked(results.variability(settings)),
        settings=settings.variability,
        score=settings.score,
        datasets=MEASURED,
        shards=Untracked([settings.datasets[ds].shards for ds in true_sets()]),
        group=Untracked(settings.folds.group),
        code=code("variability"),
    message:
        "Variability of the cells of {wildcards.ds}"
    script:
        "../workflow/scripts/variability.py"


rule variability:
    input:
        expand("results/variability/{ds}.csv", ds=settings.datasets_of("test", "holdout")),
