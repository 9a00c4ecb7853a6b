rule oof_step2:
    input:
        store=lambda wildcards: per_shard("results/store/{ds}/{sh}.h5", held_out_sets(wildcards)),
        masks=lambda wildcards: per_shard("results/masks/{ds}/{sh}.h5", held_out_sets(wildcards)),
        model=lambda wildcards: model_file(wildcards.model, wildcards.stage, wildcards.fold),
        image_table=lambda wildcards: image_tables_of(held_out_sets(wildcards)),
        folds="results/folds/folds.csv",
        checksums=checksums("results/folds/folds.csv"),
    output:
        cells="results/oof/{model}/{stage}/fold{fold}.step2.parquet",
    log:
        "results/logs/oof/{model}/{stage}/fold{fold}.step2.log",
    benchmark:
        "results/benchmarks/oof/{model}/{stage}/fold{fold}.step2.tsv"
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=growing(8000),
        runtime=minutes(60, STEP2_S / 60 * settings.step2.tta.passes, in_fold),
        gpu=GPUS,
    params:
        **tracked(results.steps(settings, "step2")),
        settings=settings.step2,
        datasets=held_out_sets,
        images=lambda wildcards: [raw(ds, "images") for ds in held_out_sets(wildcards)],
        raw=lambda wildcards: Untracked({ds: raw_dataset(ds) for ds in held_out_sets(wildcards)}),
        device=DEVICE,
        code=code("oof_step2"),
    message:
        "Out-of-fold step 2 of {wildcards.model}, {wildcards.stage}, fold {wildcards.fold}"
    script:
        "../workflow/scripts/oof_step2.py"
