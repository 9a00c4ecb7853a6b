# Training of the stages of the kind `cells`: a network that learns from crops of cells with soft targets.


rule train_cells:
    input:
        store=lambda wildcards: per_shard("results/store/{ds}/{sh}.h5", trained_on(wildcards)),
        masks=lambda wildcards: per_shard("results/masks/{ds}/{sh}.h5", trained_on(wildcards)),
        targets=lambda wildcards: expand(
            "results/targets/{{model}}/{{stage}}/{ds}.parquet", ds=trained_on(wildcards)
        ),
        start=starts_from,
        classes=settings.classes,
    output:
        model="results/models/{model}/{stage}/fold{fold}/model.safetensors",
        history="results/models/{model}/{stage}/fold{fold}/history.csv",
        curves=report(
            "results/models/{model}/{stage}/fold{fold}/curves.png",
            caption="../workflow/report/curves.rst",
            category="Training",
            labels={"model": "{model}", "stage": "{stage}", "fold": "{fold}"},
        ),
        oof="results/models/{model}/{stage}/fold{fold}/oof.csv",
        checksums=checksums(
            "results/models/{model}/{stage}/fold{fold}/history.csv",
            "results/models/{model}/{stage}/fold{fold}/oof.csv",
        ),
    log:
        "results/logs/train_cells/{model}/{stage}/fold{fold}.log",
    benchmark:
        "results/benchmarks/train_cells/{model}/{stage}/fold{fold}.tsv"
    wildcard_constraints:
        model=models_with(CELL_STAGES),
    conda:
        "../envs/pipeline.yaml"
    threads: training_threads
    resources:
        mem_mb=growing(16000),
        # Does not grow: the next attempt goes on where this one was stopped.
        runtime=1440,
        gpu=training_gpus,
        nodes=1,
    params:
        **tracked_by(
            {names: results.training(settings, *names) for names in CELL_STAGES},
            lambda wildcards: (wildcards.model, wildcards.stage),
        ),
        settings=training_settings,
        step2=settings.step2,
        folds=settings.folds.count,
        plausibility=settings.plausibility,
        device=DEVICE,
        code=code("train_cells"),
    message:
        "Train {wildcards.model}, {wildcards.stage} on cells, fold {wildcards.fold}"
    script:
        "../workflow/scripts/train_cells.py"
