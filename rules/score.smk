rule score_cells:
    input:
        truth=lambda wildcards: tables("truth", [wildcards.ds]),
        masks=lambda wildcards: per_shard("results/masks/{ds}/{sh}.h5", [wildcards.ds]),
        ensemble="results/cells/{ds}.parquet",
        members=lambda wildcards: member_tables(wildcards.ds),
        images=lambda wildcards: image_tables(wildcards.ds),
        classes=settings.classes,
    output:
        summary=report(
            "results/score/{ds}.csv",
            caption="../workflow/report/score_table.rst",
            category="Score",
            labels={"data set": "{ds}", "shows": "table of steps"},
        ),
        classes=report(
            "results/score/{ds}.classes.csv",
            caption="../workflow/report/score_classes.rst",
            category="Score",
            labels={"data set": "{ds}", "shows": "table of classes"},
        ),
        checksums=checksums("results/score/{ds}.csv", "results/score/{ds}.classes.csv"),
        picture=report(
            "results/score/{ds}.png",
            caption="../workflow/report/score.rst",
            category="Score",
            labels={"data set": "{ds}", "shows": "steps and ensemble, with intervals"},
        ),
    log:
        "results/logs/score/{ds}.log",
    benchmark:
        "results/benchmarks/score/{ds}.tsv"
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=growing(8000, 0.1, in_dataset),
        runtime=minutes(60, 1 / 60, in_dataset),
    params:
        **tracked(results.score(settings)),
        settings=settings.score,
        members=Untracked(settings.ensemble.members),
        code=code("score"),
    message:
        "Score {wildcards.ds} against ground truth"
    script:
        "../workflow/scripts/score.py"


rule ablate:
    input:
        store=lambda wildcards: per_shard("results/store/{ds}/{sh}.h5", [wildcards.ds]),
        masks=lambda wildcards: per_shard("results/masks/{ds}/{sh}.h5", [wildcards.ds]),
        cells=lambda wildcards: per_shard("results/masks/{ds}/{sh}.cells.parquet", [wildcards.ds]),
        truth=lambda wildcards: tables("truth", [wildcards.ds]),
        models=[model_file(model, stage, fold) for model, stage in member_stages() for fold in FOLDS],
        read=lambda wildcards: [
            path
            for model in settings.members_without_stages()
            for path in per_shard(
                f"results/step2/{{ds}}/{model}.{READ_STAGE}/{{sh}}.parquet", [wildcards.ds]
            )
        ],
        image_table=lambda wildcards: image_tables_of([wildcards.ds]),
    output:
        report(
            "results/ablation/{ds}.csv",
            caption="../workflow/report/ablation.rst",
            category="Score",
            labels={"data set": "{ds}", "shows": "ablation of settings"},
        ),
        checksums=checksums("results/ablation/{ds}.csv"),
    log:
        "results/logs/ablation/{ds}.log",
    benchmark:
        "results/benchmarks/ablation/{ds}.tsv"
    conda:
        "../envs/pipeline.yaml"
    threads: at_most(8)
    resources:
        mem_mb=growing(16000, 0.1, in_dataset),
        runtime=minutes(480, len(FOLDS), in_dataset),
        gpu=GPUS,
    params:
        **tracked(results.ablation(settings)),
        settings=settings,
        stages=member_stages(),
        of_cells=Untracked(member_stages("cells")),
        read_by=Untracked(settings.members_without_stages()),
        images=lambda wildcards: raw(wildcards.ds, "images"),
        raw=lambda wildcards: Untracked(raw_dataset(wildcards.ds)),
        negative=Untracked(NEGATIVE),
        device=DEVICE,
        code=code("ablation"),
    message:
        "Ablation of inference and ensemble settings on {wildcards.ds}"
    script:
        "../workflow/scripts/ablation.py"


rule ablation:
    input:
        expand("results/ablation/{ds}.csv", ds=with_truth("test")),


rule score:
    input:
        expand("results/score/{ds}.csv", ds=with_truth("test", "holdout")),
