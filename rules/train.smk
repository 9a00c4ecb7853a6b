rule train:
    input:
        store=lambda wildcards: per_shard("results/store/{ds}/{sh}.h5", trained_on(wildcards)),
        labels=lambda wildcards: tables("labels", trained_on(wildcards)),
        folds="results/folds/folds.csv",
        start=starts_from,
        classes=settings.classes,
        code=code("train"),
    output:
        model="results/models/{model}/{stage}/fold{fold}/model.safetensors",
        history="results/models/{model}/{stage}/fold{fold}/history.csv",
        curves=report(
            "results/models/{model}/{stage}/fold{fold}/curves.png",
            caption="../workflow/report/curves.rst",
            category="Training",
        ),
        oof="results/models/{model}/{stage}/fold{fold}/oof.csv",
    log:
        "results/logs/train/{model}/{stage}/fold{fold}.log",
    benchmark:
        "results/benchmarks/train/{model}/{stage}/fold{fold}.tsv"
    conda:
        "../envs/pipeline.yaml"
    # The folds of a stage share the machine's cores; a profile gives a GPU job more for its loader.
    threads: max(1, machine_cores(10**6) // settings.folds.count)
    resources:
        mem_mb=16000,
        runtime=2880,
        gpu=gpus_of_stage,
    params:
        settings=stage_settings,
        gpu=settings.gpu,
    message:
        "Train {wildcards.model}, {wildcards.stage}, fold {wildcards.fold}"
    script:
        "../workflow/scripts/train.py"


rule models:
    input:
        [
            model_file(model, stage, fold)
            for model, given in settings.models.items()
            for stage in given.stages
            for fold in FOLDS
        ],
