rule simulate:
    input:
        code=code("simulate"),
        classes=settings.classes,
    output:
        labels="results/simulated/{ds}/labels.csv",
        truth="results/simulated/{ds}/truth.csv",
        images=directory("results/simulated/{ds}/images"),
    log:
        "results/logs/simulate/{ds}.log",
    benchmark:
        "results/benchmarks/simulate/{ds}.tsv"
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        settings=lambda wildcards: settings.datasets[wildcards.ds].simulate.model_dump(),
        seed=settings.seed,
        labelled=lambda wildcards: settings.datasets[wildcards.ds].role != "test",
    message:
        "Simulate data set {wildcards.ds}"
    script:
        "../workflow/scripts/simulate.py"


rule ingest:
    input:
        # What changed in the raw files is told by raw_state, for each shard alone.
        labels=lambda wildcards: [
            path if settings.datasets[wildcards.ds].simulate else ancient(path)
            for path in tables("labels", [wildcards.ds])
        ],
        code=code("ingest"),
    output:
        store="results/store/{ds}/{sh}.h5",
        rejected="results/store/{ds}/{sh}.rejected.csv",
    log:
        "results/logs/ingest/{ds}/{sh}.log",
    benchmark:
        "results/benchmarks/ingest/{ds}/{sh}.tsv"
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        images=lambda wildcards: raw(wildcards.ds, "images"),
        labels=lambda wildcards: raw(wildcards.ds, "labels"),
        shards=lambda wildcards: settings.datasets[wildcards.ds].shards,
        settings=settings.ingest.model_dump(),
        raw_state=lambda wildcards: raw_state(wildcards.ds, wildcards.sh),
    message:
        "Store data set {wildcards.ds}, shard {wildcards.sh}"
    script:
        "../workflow/scripts/ingest.py"


rule store:
    input:
        per_shard("results/store/{ds}/{sh}.h5", settings.datasets),
