# The viewer: a folder that opens from disk, with the pictures and numbers of each shard in a folder of its own.
# No shard waits for it: it needs all shards, and Snakemake overlooks changed parameters of a job with an `ancient` input
# that is made again in the same run. Its priority lets it go first, and each shard says its own part before it begins.
rule view_budget:
    input:
        store=per_shard("results/store/{ds}/{sh}.h5", VIEW_SETS),
        masks=per_shard("results/masks/{ds}/{sh}.h5", VIEW_SETS),
        cells=per_shard("results/masks/{ds}/{sh}.cells.parquet", VIEW_SETS),
        members=lambda wildcards: [
            path for ds, sh in VIEW_SHARDS for path in shard_members(SimpleNamespace(ds=ds, sh=sh))
        ],
        images=lambda wildcards: [
            path for ds, sh in VIEW_SHARDS for path in shard_images(SimpleNamespace(ds=ds, sh=sh))
        ],
        calibration=[] if CALIBRATION is None else CALIBRATION,
        checksums=checksums(*([RUN_CALIBRATION] if CALIBRATION == RUN_CALIBRATION else [])),
        classes=settings.classes,
    output:
        "results/view/budget.csv",
        checksums=checksums("results/view/budget.csv"),
    log:
        "results/logs/view_budget.log",
    benchmark:
        "results/benchmarks/view_budget.tsv"
    priority: 10
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000, 0.05, lambda wildcards: max(map(fields, VIEW_SETS))),
        runtime=minutes(30, 0.1 / 60, lambda wildcards: sum(map(fields, VIEW_SETS))),
    params:
        **tracked(results.view(settings)),
        settings=view_settings(),
        ensemble=settings.ensemble,
        negative=Untracked(NEGATIVE),
        shards=[f"{ds}/{sh}" for ds, sh in VIEW_SHARDS],
        code=code("view_budget"),
    message:
        "Budget of the viewer"
    script:
        "../workflow/scripts/view_budget.py"


rule view_shard:
    input:
        store="results/store/{ds}/{sh}.h5",
        masks="results/masks/{ds}/{sh}.h5",
        cells="results/masks/{ds}/{sh}.cells.parquet",
        members=shard_members,
        images=shard_images,
        unlike_cells=shard_distances("parquet"),
        unlike_fields=shard_distances("images.parquet"),
        cams=lambda wildcards: cams(wildcards),
        truth=lambda wildcards: [
            ancient(path) if own_truth(wildcards.ds) else path for path in tables("truth", [wildcards.ds])
        ],
        image_table=lambda wildcards: image_tables_of([wildcards.ds]),
        calibration=[] if CALIBRATION is None else CALIBRATION,
        checksums=checksums(*([RUN_CALIBRATION] if CALIBRATION == RUN_CALIBRATION else [])),
        classes=settings.classes,
    output:
        directory("results/view/data/{ds}/{sh}"),
    log:
        "results/logs/view_shard/{ds}/{sh}.log",
    benchmark:
        "results/benchmarks/view_shard/{ds}/{sh}.tsv"
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000, 0.5, in_shard),
        runtime=minutes(60, 2 / 60, in_shard),
    params:
        **tracked(results.view(settings)),
        settings=view_settings(),
        ensemble=settings.ensemble,
        score=settings.score,
        negative=Untracked(NEGATIVE),
        shards=lambda wildcards: Untracked(settings.datasets[wildcards.ds].shards),
        raw=lambda wildcards: Untracked(raw_dataset(wildcards.ds)),
        pixel_size_um=lambda wildcards: [f"pixel_size_um: {settings.datasets[wildcards.ds].pixel_size_um}"],
        configured_um=lambda wildcards: Untracked(settings.datasets[wildcards.ds].pixel_size_um),
        pixel_sizes=pixel_sizes,
        metadata=of_shard(shard_metadata_state),
        truth=true_rows,
        code=code("view_shard"),
    message:
        "Viewer: {wildcards.ds}, shard {wildcards.sh}"
    script:
        "../workflow/scripts/view_shard.py"


rule view_index:
    input:
        shards=per_shard("results/view/data/{ds}/{sh}", VIEW_SETS),
        quality=expand("results/view/data/{ds}/quality.js", ds=VIEW_SETS),
        budget="results/view/budget.csv",
        answers=expand("results/cells/{ds}.parquet", ds=VIEW_SETS),
        tables=VIEW_SMALL_TABLES,
        calibration=[] if CALIBRATION is None else [CALIBRATION],
        reliability=[RELIABILITY] if CALIBRATION == RUN_CALIBRATION else [],
        requested=view_requested,
        checksums=lambda wildcards: checksums(
            *VIEW_SMALL_TABLES,
            *view_requested(wildcards),
            *([RUN_CALIBRATION, RELIABILITY] if CALIBRATION == RUN_CALIBRATION else []),
        ),
        licence=[path for path in [weights_licence(settings)] if path],
        classes=settings.classes,
    output:
        index="results/view/data/run.js",
        page=[f"results/view/{name}" for name in page_files()],
    log:
        "results/logs/view_index.log",
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=minutes(30),
    params:
        settings=settings.view,
        # Without a colon, so that the display does not take it for a setting with its value.
        configuration=f"whole configuration {texts_digest([settings.model_dump_json()])}",
        whole=Untracked(settings),
        negative=Untracked(NEGATIVE),
        shards=[f"{ds}/{sh}" for ds, sh in VIEW_SHARDS],
        datasets=VIEW_SETS,
        scored=VIEW_SCORED,
        listed=Untracked({ds: settings.datasets[ds].shards for ds in VIEW_LISTED}),
        trainings=Untracked({names: len(paths) for names, paths in VIEW_TRAININGS.items()}),
        # At the end of a run, its warnings are written beside the index.
        warned=not BUCKET,
        page=f"page {page_digest()}",
        code=code("view_index"),
    message:
        "Write results/view/index.html"
    script:
        "../workflow/scripts/view_index.py"


rule view:
    input:
        rules.view_index.output,
