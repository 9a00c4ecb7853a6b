rule step2:
    input:
        store="results/store/{ds}/{sh}.h5",
        masks="results/masks/{ds}/{sh}.h5",
        models=models,
        code=code("step2"),
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
        mem_mb=8000,
        runtime=240,
        gpu=0 if settings.gpu == "cpu" else 1,
    params:
        negative=negative_index(),
        images=lambda wildcards: raw(wildcards.ds, "images"),
        pixel_size_um=lambda wildcards: settings.datasets[wildcards.ds].pixel_size_um,
        settings=settings.step2.model_dump(),
        gpu=settings.gpu,
    message:
        "Step 2 of {wildcards.model}, {wildcards.stage} on {wildcards.ds}, shard {wildcards.sh}"
    script:
        "../workflow/scripts/step2.py"
