rule score_cells:
    input:
        truth=lambda wildcards: tables("truth", [wildcards.ds]),
        masks=lambda wildcards: per_shard("results/masks/{ds}/{sh}.h5", [wildcards.ds]),
        ensemble="results/cells/{ds}.parquet",
        members=lambda wildcards: member_tables(wildcards.ds),
        images=lambda wildcards: image_tables(wildcards.ds),
        classes=settings.classes,
        code=code("score"),
    output:
        summary="results/score/{ds}.csv",
        classes="results/score/{ds}.classes.csv",
        picture=report(
            "results/score/{ds}.png",
            caption="../workflow/report/score.rst",
            category="Score",
        ),
    log:
        "results/logs/score/{ds}.log",
    benchmark:
        "results/benchmarks/score/{ds}.tsv"
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=120,
    params:
        settings=settings.score.model_dump(),
        members=[member.model_dump() for member in settings.ensemble.members],
    message:
        "Score {wildcards.ds} against its truth"
    script:
        "../workflow/scripts/score.py"


rule ablate:
    input:
        store=lambda wildcards: per_shard("results/store/{ds}/{sh}.h5", [wildcards.ds]),
        masks=lambda wildcards: per_shard("results/masks/{ds}/{sh}.h5", [wildcards.ds]),
        cells=lambda wildcards: per_shard("results/masks/{ds}/{sh}.cells.parquet", [wildcards.ds]),
        truth=lambda wildcards: tables("truth", [wildcards.ds]),
        models=[model_file(model, stage, fold) for model, stage in member_stages() for fold in FOLDS],
        code=code("ablation"),
    output:
        "results/ablation/{ds}.csv",
    log:
        "results/logs/ablation/{ds}.log",
    benchmark:
        "results/benchmarks/ablation/{ds}.tsv"
    conda:
        "../envs/pipeline.yaml"
    threads: machine_cores(8)
    resources:
        mem_mb=16000,
        runtime=480,
        gpu=0 if settings.gpu == "cpu" else 1,
    params:
        settings=settings.model_dump(include={"step1", "step2", "ensemble", "score"}),
        stages=[list(stage) for stage in member_stages()],
        negative=negative_index(),
        gpu=settings.gpu,
    message:
        "Ablation of the choices after training on {wildcards.ds}"
    script:
        "../workflow/scripts/ablation.py"


rule ablation:
    input:
        expand("results/ablation/{ds}.csv", ds=with_truth("test")),


rule score:
    input:
        expand("results/score/{ds}.csv", ds=with_truth("test", "holdout")),
