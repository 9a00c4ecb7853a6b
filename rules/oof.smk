rule oof_fold:
    input:
        store=lambda wildcards: per_shard("results/store/{ds}/{sh}.h5", held_out_sets(wildcards)),
        masks=lambda wildcards: per_shard("results/masks/{ds}/{sh}.h5", held_out_sets(wildcards)),
        cells=lambda wildcards: per_shard("results/masks/{ds}/{sh}.cells.parquet", held_out_sets(wildcards)),
        models=lambda wildcards: [model_file(wildcards.model, wildcards.stage, wildcards.fold)],
        folds="results/folds/folds.csv",
        checksums=checksums("results/folds/folds.csv"),
    output:
        cells="results/oof/{model}/{stage}/fold{fold}.csv",
        images="results/oof/{model}/{stage}/fold{fold}.images.csv",
        checksums=checksums(
            "results/oof/{model}/{stage}/fold{fold}.csv", "results/oof/{model}/{stage}/fold{fold}.images.csv"
        ),
    log:
        "results/logs/oof/{model}/{stage}/fold{fold}.log",
    benchmark:
        "results/benchmarks/oof/{model}/{stage}/fold{fold}.tsv"
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=growing(8000, 0.05, in_fold),
        runtime=minutes(60, STEP1_S / 60 * settings.step1.tta.passes, in_fold),
        gpu=GPUS,
    params:
        **tracked(results.steps(settings, "step1")),
        settings=settings.step1,
        datasets=held_out_sets,
        negative=Untracked(NEGATIVE),
        device=DEVICE,
        code=code("oof_fold"),
    message:
        "Out-of-fold predictions of {wildcards.model}, {wildcards.stage}, fold {wildcards.fold}"
    script:
        "../workflow/scripts/oof_fold.py"


rule holdout_stage:
    input:
        store=per_shard("results/store/{ds}/{sh}.h5", settings.datasets_of("holdout")),
        masks=per_shard("results/masks/{ds}/{sh}.h5", settings.datasets_of("holdout")),
        cells=per_shard("results/masks/{ds}/{sh}.cells.parquet", settings.datasets_of("holdout")),
        models=models,
    output:
        cells="results/oof/{model}/{stage}/holdout.csv",
        checksums=checksums("results/oof/{model}/{stage}/holdout.csv"),
    log:
        "results/logs/oof/{model}/{stage}/holdout.log",
    benchmark:
        "results/benchmarks/oof/{model}/{stage}/holdout.tsv"
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=growing(8000, 0.05, in_sets("holdout")),
        runtime=minutes(60, STEP1_S / 60 * len(FOLDS) * settings.step1.tta.passes, in_sets("holdout")),
        gpu=GPUS,
    params:
        **tracked(results.steps(settings, "step1")),
        settings=settings.step1,
        negative=Untracked(NEGATIVE),
        device=DEVICE,
        code=code("holdout_stage"),
    message:
        "Holdout predictions of {wildcards.model}, {wildcards.stage}"
    script:
        "../workflow/scripts/holdout_stage.py"


rule join_holdout:
    input:
        tables=[f"results/oof/{model}/{stage}/holdout.csv" for model, stage in member_stages("fields")],
        checksums=checksums(
            *(f"results/oof/{model}/{stage}/holdout.csv" for model, stage in member_stages("fields"))
        ),
    output:
        "results/oof/holdout.csv",
        checksums=checksums("results/oof/holdout.csv"),
    log:
        "results/logs/oof/holdout.log",
    localrule: True
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=minutes(30),
    params:
        code=code("join_holdout"),
    message:
        "Average the holdout predictions"
    script:
        "../workflow/scripts/join_holdout.py"


rule oof_metrics:
    input:
        images=lambda wildcards: expand("results/oof/{{model}}/{{stage}}/fold{fold}.images.csv", fold=FOLDS),
        checksums=checksums(*expand("results/oof/{{model}}/{{stage}}/fold{fold}.images.csv", fold=FOLDS)),
        labels=lambda wildcards: tables("labels", held_out_sets(wildcards)),
        classes=settings.classes,
    output:
        metrics="results/oof/{model}/{stage}/metrics.csv",
        thresholds="results/oof/{model}/{stage}/thresholds.csv",
        checksums=checksums(
            "results/oof/{model}/{stage}/metrics.csv", "results/oof/{model}/{stage}/thresholds.csv"
        ),
    log:
        "results/logs/oof/{model}/{stage}/metrics.log",
    localrule: True
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=minutes(30),
    params:
        **tracked(results.deciding(settings.labels, "labels")),
        labels=settings.labels,
        code=code("oof_metrics"),
    message:
        "Out-of-fold metrics of {wildcards.model}, {wildcards.stage}"
    script:
        "../workflow/scripts/oof_metrics.py"


rule oof:
    input:
        [
            f"results/oof/{model}/{stage}/{name}.csv"
            for model, stage in member_stages("fields")
            # Ready weights without training fields have none held out.
            if settings.models[model].stages[stage].datasets
            for name in [*(f"fold{fold}" for fold in FOLDS), "metrics", "thresholds"]
        ],
        [
            f"results/oof/{model}/{stage}/fold{fold}.step2.parquet"
            for model, stage in member_stages("cells")
            if settings.held_out_sets(model, stage)
            for fold in FOLDS
        ],


rule holdout:
    input:
        "results/oof/holdout.csv" if settings.datasets_of("holdout") and FIRST else [],
