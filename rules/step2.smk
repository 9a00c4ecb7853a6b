rule step2:
    input:
        store="results/store/{ds}/{sh}.h5",
        masks="results/masks/{ds}/{sh}.h5",
        models=models,
        image_table=lambda wildcards: image_tables_of([wildcards.ds]),
    output:
        cells="results/step2/{ds}/{model}.{stage}/{sh}.parquet",
    log:
        "results/logs/step2/{ds}/{model}.{stage}/{sh}.log",
    benchmark:
        "results/benchmarks/step2/{ds}/{model}.{stage}/{sh}.tsv"
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=growing(8000),
        runtime=minutes(60, STEP2_S / 60 * len(FOLDS) * settings.step2.tta.passes, in_shard),
        gpu=GPUS,
    params:
        **tracked(results.steps(settings, "step2")),
        settings=settings.step2,
        images=lambda wildcards: raw(wildcards.ds, "images"),
        raw=lambda wildcards: Untracked(raw_dataset(wildcards.ds)),
        device=DEVICE,
        code=code("step2"),
    message:
        "Step 2 of {wildcards.model}, {wildcards.stage} on {wildcards.ds}, shard {wildcards.sh}"
    script:
        "../workflow/scripts/step2.py"
