from puzzlecell.config import frozen_stages

STAGES = [(model, stage) for model, given in settings.models.items() for stage in given.stages]
CELL_STAGES = [
    (model, stage) for model, stage in STAGES if settings.models[model].stages[stage].kind == "cells"
]
# Their trainings see features of fields, see features.smk.
FROZEN_STAGES = frozen_stages.frozen_stages(settings)
FIELD_STAGES = [names for names in STAGES if names not in [*CELL_STAGES, *FROZEN_STAGES]]


# Weights of the same fold that a stage starts from, if any.
starts_from = lambda wildcards: [
    model_file(wildcards.model, start, wildcards.fold)
    for start in [settings.models[wildcards.model].stages[wildcards.stage].start]
    if start is not None
]
training_settings = lambda wildcards: settings.stage_training(wildcards.model, wildcards.stage)


rule train:
    input:
        store=lambda wildcards: per_shard("results/store/{ds}/{sh}.h5", trained_on(wildcards)),
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
        "results/logs/train/{model}/{stage}/fold{fold}.log",
    benchmark:
        "results/benchmarks/train/{model}/{stage}/fold{fold}.tsv"
    wildcard_constraints:
        model=models_with(FIELD_STAGES),
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
            {names: results.training(settings, *names) for names in FIELD_STAGES},
            lambda wildcards: (wildcards.model, wildcards.stage),
        ),
        settings=training_settings,
        labels=settings.labels,
        plausibility=settings.plausibility,
        device=DEVICE,
        code=code("train"),
    message:
        "Train {wildcards.model}, {wildcards.stage}, fold {wildcards.fold}"
    script:
        "../workflow/scripts/train.py"


rule models:
    input:
        [model_file(*names, fold) for names in STAGES for fold in FOLDS],
