# Stages with a frozen backbone: features of stored fields, computed once, and the training of a classifier on them.
rule features:
    input:
        store="results/store/{ds}/{sh}.h5",
        weights=encoder_weights,
    output:
        "results/features/{ds}/{model}.{stage}/{encoder}/{sh}.h5",
    log:
        "results/logs/features/{ds}/{model}.{stage}/{encoder}/{sh}.log",
    benchmark:
        "results/benchmarks/features/{ds}/{model}.{stage}/{encoder}/{sh}.tsv"
    wildcard_constraints:
        model="|".join({model for model, _ in FROZEN_STAGES}) or NOTHING,
        stage="|".join({stage for _, stage in FROZEN_STAGES}) or NOTHING,
        encoder=r"all|fold\d+",
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=growing(8000),
        runtime=minutes(
            60,
            STEP1_S / 60,
            lambda wildcards: training_settings(wildcards).features.views * in_shard(wildcards),
        ),
        gpu=GPUS,
    params:
        **tracked_by(
            {names: frozen_stages.features(settings, *names) for names in FROZEN_STAGES},
            lambda wildcards: (wildcards.model, wildcards.stage),
        ),
        settings=lambda wildcards: frozen_stages.feature_settings(settings, wildcards.model, wildcards.stage),
        device=DEVICE,
        code=code("features"),
    message:
        "Features of {wildcards.ds}, shard {wildcards.sh}, for {wildcards.model}, {wildcards.stage}"
    script:
        "../workflow/scripts/features.py"


rule train_head:
    input:
        features=kept_features,
        labels=lambda wildcards: tables("labels", trained_on(wildcards)),
        folds="results/folds/folds.csv",
        checksums=checksums("results/folds/folds.csv"),
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
        "results/logs/train_head/{model}/{stage}/fold{fold}.log",
    benchmark:
        "results/benchmarks/train_head/{model}/{stage}/fold{fold}.tsv"
    wildcard_constraints:
        model=models_with(FROZEN_STAGES),
    conda:
        "../envs/pipeline.yaml"
    threads: training_threads
    resources:
        mem_mb=growing(8000),
        # Does not grow: the next attempt goes on where this one was stopped.
        runtime=240,
        gpu=training_gpus,
        nodes=1,
    params:
        **tracked_by(
            {names: results.training(settings, *names) for names in FROZEN_STAGES},
            lambda wildcards: (wildcards.model, wildcards.stage),
        ),
        settings=training_settings,
        labels=settings.labels,
        plausibility=settings.plausibility,
        device=DEVICE,
        code=code("train_head"),
    message:
        "Train the classifier of {wildcards.model}, {wildcards.stage}, fold {wildcards.fold}"
    script:
        "../workflow/scripts/train_head.py"
