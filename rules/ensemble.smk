from puzzlecell.data.source_states import metadata_state


rule ensemble:
    input:
        store=lambda wildcards: per_shard("results/store/{ds}/{sh}.h5", [wildcards.ds]),
        cells=lambda wildcards: per_shard("results/masks/{ds}/{sh}.cells.parquet", [wildcards.ds]),
        members=lambda wildcards: member_tables(wildcards.ds),
        images=lambda wildcards: image_tables(wildcards.ds),
        image_table=lambda wildcards: image_tables_of([wildcards.ds]),
        unlike_cells=lambda wildcards: distance_tables(wildcards.ds, "parquet"),
        unlike_fields=lambda wildcards: distance_tables(wildcards.ds, "images.parquet"),
        calibration=[] if CALIBRATION is None else CALIBRATION,
        checksums=checksums(*([RUN_CALIBRATION] if CALIBRATION == RUN_CALIBRATION else [])),
        classes=[] if CALIBRATION is None else settings.classes,
    output:
        "results/cells/{ds}.parquet",
    log:
        "results/logs/ensemble/{ds}.log",
    benchmark:
        "results/benchmarks/ensemble/{ds}.tsv"
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000, 0.05, in_dataset),
        runtime=minutes(30, 0.1 / 60, in_dataset),
    params:
        **tracked(results.ensemble(settings)),
        settings=settings.ensemble,
        metadata=lambda wildcards: look(wildcards, metadata_state),
        raw=lambda wildcards: Untracked(raw_dataset(wildcards.ds)),
        pixel_size_um=lambda wildcards: Untracked(settings.datasets[wildcards.ds].pixel_size_um),
        plausibility=settings.plausibility,
        negative=Untracked(NEGATIVE),
        # A function, because Snakemake would interpret braces in a name as wildcards.
        classes=lambda wildcards: CLASS_NAMES,
        code=code("ensemble"),
    message:
        "Combine the predictions for {wildcards.ds}"
    script:
        "../workflow/scripts/ensemble.py"


rule submission:
    input:
        cells=expand("results/cells/{ds}.parquet", ds=TEST),
        masks=per_shard("results/masks/{ds}/{sh}.h5", TEST),
        labels=tables("labels", TEST),
        image_tables=image_tables_of(TEST),
        store=per_shard("results/store/{ds}/{sh}.h5", TEST),
        # A submission comes with its score if there is ground truth.
        score=expand("results/score/{ds}.csv", ds=with_truth("test")),
    output:
        "results/submission.csv",
        checksums=checksums("results/submission.csv"),
    log:
        "results/logs/submission.log",
    benchmark:
        "results/benchmarks/submission.tsv"
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000, 0.05, in_sets("test")),
        runtime=minutes(30, 1 / 60, in_sets("test")),
    params:
        **tracked(results.deciding(settings.submission, "submission")),
        datasets=[[label_table(ds) or "", raw(ds, "images")] for ds in TEST],
        raw=lambda wildcards: Untracked([raw_dataset(ds) for ds in TEST]),
        settings=settings.submission,
        code=code("submission"),
    message:
        "Write results/submission.csv"
    script:
        "../workflow/scripts/submission.py"
