# The calibration of the ensemble, on labelled fields whose cells are known, and what is made of it elsewhere.
rule calibrate:
    input:
        cells=lambda wildcards: expand("results/oof/cells/{ds}.parquet", ds=known_sets()),
        truth=lambda wildcards: tables("truth", true_sets()),
        masks=lambda wildcards: per_shard("results/masks/{ds}/{sh}.h5", true_sets()),
        graded=lambda wildcards: expand("results/grades/{ds}.parquet", ds=graded_sets()),
        classes=settings.classes,
    output:
        table=RUN_CALIBRATION,
        reliability=report(
            "results/calibration/reliability.csv",
            caption="../workflow/report/reliability.rst",
            category="Calibration",
            labels={"shows": "table of reliability"},
        ),
        checksums=checksums(RUN_CALIBRATION, "results/calibration/reliability.csv"),
        picture=report(
            "results/calibration/calibration.png",
            caption="../workflow/report/calibration.rst",
            category="Calibration",
            labels={"shows": "reliability before and after"},
        ),
    log:
        "results/logs/calibrate.log",
    benchmark:
        "results/benchmarks/calibrate.tsv"
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=growing(8000, 0.1, in_sets("train", "additional", "holdout")),
        runtime=minutes(60, 1 / 60, in_sets("train", "additional", "holdout")),
    params:
        **tracked(results.calibration(settings)),
        settings=settings.calibration,
        score=settings.score,
        datasets=lambda wildcards: known_sets(),
        shards=lambda wildcards: Untracked([settings.datasets[ds].shards for ds in true_sets()]),
        folds=settings.folds.count,
        group=Untracked(settings.folds.group),
        code=code("calibrate"),
    message:
        "Calibrate the ensemble on cells whose classes are known"
    script:
        "../workflow/scripts/calibrate.py"


rule calibration:
    input:
        rules.calibrate.output,
