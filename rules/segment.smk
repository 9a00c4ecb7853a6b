rule segment:
    input:
        store="results/store/{ds}/{sh}.h5",
        code=code("segment"),
    output:
        masks="results/masks/{ds}/{sh}.h5",
        cells="results/masks/{ds}/{sh}.cells.parquet",
        overlay=report(
            "results/masks/{ds}/{sh}.png",
            caption="../workflow/report/masks.rst",
            category="Masks",
        ),
    log:
        "results/logs/segment/{ds}/{sh}.log",
    benchmark:
        "results/benchmarks/segment/{ds}/{sh}.tsv"
    conda:
        "../envs/pipeline.yaml"
    threads: segmentation_threads()
    resources:
        mem_mb=8000,
        runtime=240,
        gpu=0 if segmentation_gpu() == "cpu" else 1,
    params:
        settings=settings.segmentation.model_dump(),
        pixel_size_um=lambda wildcards: settings.datasets[wildcards.ds].pixel_size_um,
        images=lambda wildcards: raw(wildcards.ds, "images"),
        user_masks=lambda wildcards: masks_state(wildcards.ds),
        # Not an input: a plan can be made before the weights are there.
        weights=weights_state(settings.segmentation),
        gpu=segmentation_gpu(),
    message:
        "Segment data set {wildcards.ds}, shard {wildcards.sh}"
    script:
        "../workflow/scripts/segment.py"


rule masks:
    input:
        per_shard("results/masks/{ds}/{sh}.h5", TEST),
