from puzzlecell.data.source_states import shard_digest

# Digest of the raw files of a shard, so that a changed file rebuilds only its own shard.
raw_state = lambda wildcards: "raw files: " + look(
    wildcards,
    lambda dataset: shard_digest(
        dataset,
        int(wildcards.sh),
        settings.datasets[wildcards.ds].shards,
        simulated=settings.datasets[wildcards.ds].simulate is not None,
    ),
)


rule simulate:
    input:
        classes=settings.classes,
    output:
        labels="results/simulated/{ds}/labels.csv",
        truth="results/simulated/{ds}/truth.csv",
        images=directory("results/simulated/{ds}/images"),
        checksums=checksums("results/simulated/{ds}/labels.csv", "results/simulated/{ds}/truth.csv"),
    log:
        "results/logs/simulate/{ds}.log",
    benchmark:
        "results/benchmarks/simulate/{ds}.tsv"
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=minutes(60, 1 / 60, in_dataset),
    params:
        **tracked_by(
            {ds: results.simulation(settings, ds) for ds in settings.datasets},
            lambda wildcards: wildcards.ds,
        ),
        settings=lambda wildcards: settings.datasets[wildcards.ds].simulate,
        seed=Untracked(settings.seed),
        labelled=lambda wildcards: settings.datasets[wildcards.ds].labelled,
        held_out=lambda wildcards: Untracked(settings.datasets[wildcards.ds].role in results.HELD_OUT),
        negative=Untracked(settings.negative),
        cells_state=cells_state,
        code=code("simulate"),
    message:
        "Simulate data set {wildcards.ds}"
    script:
        "../workflow/scripts/simulate.py"


rule ingest:
    input:
        # Changes to the user's raw files are tracked per shard by raw_state.
        labels=lambda wildcards: [
            path if settings.datasets[wildcards.ds].simulate else ancient(path)
            for path in tables("labels", [wildcards.ds])
        ],
        image_table=lambda wildcards: image_tables_of([wildcards.ds]),
    output:
        store="results/store/{ds}/{sh}.h5",
        rejected="results/store/{ds}/{sh}.rejected.csv",
        contents="results/store/{ds}/{sh}.contents.csv",
        checksums=checksums("results/store/{ds}/{sh}.rejected.csv", "results/store/{ds}/{sh}.contents.csv"),
    log:
        "results/logs/ingest/{ds}/{sh}.log",
    benchmark:
        "results/benchmarks/ingest/{ds}/{sh}.tsv"
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=minutes(30, 2 / 60, in_shard),
    params:
        **tracked_by(
            {ds: results.store(settings, ds) for ds in settings.datasets}, lambda wildcards: wildcards.ds
        ),
        images=lambda wildcards: raw(wildcards.ds, "images"),
        raw=lambda wildcards: Untracked(raw_dataset(wildcards.ds)),
        shards=lambda wildcards: Untracked(settings.datasets[wildcards.ds].shards),
        settings=settings.ingest,
        pixel_size_um=lambda wildcards: Untracked(settings.datasets[wildcards.ds].pixel_size_um),
        plausibility=settings.plausibility,
        raw_state=lambda wildcards: bucket_state(wildcards) or raw_state(wildcards),
        code=code("ingest"),
    message:
        "Store data set {wildcards.ds}, shard {wildcards.sh}"
    script:
        "../workflow/scripts/ingest.py"


rule store:
    input:
        per_shard("results/store/{ds}/{sh}.h5", settings.datasets),
