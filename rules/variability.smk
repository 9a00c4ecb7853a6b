# How much the cells of a field, and of all fields of an antibody, differ in what they show; on request.
# Data sets on whose cells the errors of the ensemble are measured.
MEASURED = with_truth("train", "additional", "holdout")


rule cell_variability:
    input:
        answer="results/cells/{ds}.parquet",
        known=expand("results/oof/cells/{ds}.parquet", ds=MEASURED),
        truth=tables("truth", MEASURED),
        masks=per_shard("results/masks/{ds}/{sh}.h5", MEASURED),
        calibration=[CALIBRATION] if CALIBRATION and MEASURED else [],
        checksums=checksums(CALIBRATION) if CALIBRATION == RUN_CALIBRATION and MEASURED else [],
        classes=settings.classes,
    output:
        "results/variability/{ds}.csv",
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
        shards=Untracked([settings.datasets[ds].shards for ds in MEASURED]),
        group=Untracked(settings.folds.group),
        code=code("variability"),
    message:
        "Variability of the cells of {wildcards.ds}"
    script:
        "../workflow/scripts/variability.py"


rule variability:
    input:
        expand("results/variability/{ds}.csv", ds=settings.datasets_of("test", "holdout")),
