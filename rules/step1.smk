rule step1:
    input:
        store="results/store/{ds}/{sh}.h5",
        masks="results/masks/{ds}/{sh}.h5",
        models=models,
    output:
        cells="results/step1/{ds}/{model}.{stage}/{sh}.parquet",
        images="results/step1/{ds}/{model}.{stage}/{sh}.images.parquet",
    log:
        "results/logs/step1/{ds}/{model}.{stage}/{sh}.log",
    benchmark:
        "results/benchmarks/step1/{ds}/{model}.{stage}/{sh}.tsv"
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=growing(8000),
        runtime=minutes(60, STEP1_S / 60 * len(FOLDS) * settings.step1.tta.passes, in_shard),
        gpu=GPUS,
    params:
        **tracked(results.steps(settings, "step1")),
        settings=settings.step1,
        negative=Untracked(NEGATIVE),
        device=DEVICE,
        code=code("step1"),
    message:
        "Step 1 of {wildcards.model}, {wildcards.stage} on {wildcards.ds}, shard {wildcards.sh}"
    script:
        "../workflow/scripts/step1.py"
