# What the viewer says about the run as a whole and about the quality of its answer.
rule view_quality:
    input:
        answer="results/cells/{ds}.parquet",
        store=lambda wildcards: per_shard("results/store/{ds}/{sh}.h5", [wildcards.ds]),
        masks=lambda wildcards: per_shard("results/masks/{ds}/{sh}.h5", [wildcards.ds]),
        truth=lambda wildcards: tables("truth", [wildcards.ds]),
        score=lambda wildcards: [
            f"results/score/{wildcards.ds}.classes.csv" for _ in tables("truth", [wildcards.ds])
        ],
        checksums=lambda wildcards: [
            path
            for _ in tables("truth", [wildcards.ds])
            for path in checksums(f"results/score/{wildcards.ds}.classes.csv")
        ],
        image_table=lambda wildcards: image_tables_of([wildcards.ds]),
        classes=settings.classes,
    output:
        "results/view/data/{ds}/quality.js",
    log:
        "results/logs/view_quality/{ds}.log",
    benchmark:
        "results/benchmarks/view_quality/{ds}.tsv"
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=growing(8000, 0.1, in_dataset),
        runtime=minutes(60, 1 / 60, in_dataset),
    params:
        **tracked(results.deciding(settings.score, "score")),
        settings=settings.score,
        raw=lambda wildcards: Untracked(raw_dataset(wildcards.ds)),
        configured_um=lambda wildcards: Untracked(settings.datasets[wildcards.ds].pixel_size_um),
        pixel_size_um=lambda wildcards: [f"pixel_size_um: {settings.datasets[wildcards.ds].pixel_size_um}"],
        pixel_sizes=lambda wildcards: [
            pixel_sizes(SimpleNamespace(ds=wildcards.ds, sh=sh)) for sh in shards(wildcards.ds)
        ],
        code=code("view_quality"),
    message:
        "Viewer: quality of {wildcards.ds}"
    script:
        "../workflow/scripts/view_quality.py"
