# Embeddings of cells: what a network makes of each cell before it classifies it, and pictures of them; on request.
rule embed_cells:
    input:
        store="results/store/{ds}/{sh}.h5",
        masks="results/masks/{ds}/{sh}.h5",
        cells="results/masks/{ds}/{sh}.cells.parquet",
        # The network of one fold: features of different networks are not comparable.
        model=lambda wildcards: model_file(wildcards.model, wildcards.stage, 1),
        image_table=lambda wildcards: image_tables_of([wildcards.ds]),
    output:
        "results/embeddings/{ds}/{model}.{stage}/{sh}.h5",
    log:
        "results/logs/embeddings/{ds}/{model}.{stage}/{sh}.log",
    benchmark:
        "results/benchmarks/embeddings/{ds}/{model}.{stage}/{sh}.tsv"
    wildcard_constraints:
        model=named(EMBEDDED_STAGES),
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=growing(8000),
        runtime=minutes(60, STEP2_S / 60, in_shard),
        gpu=GPUS,
    params:
        **tracked_by(
            {names: results.embeddings(settings, *names) for names in EMBEDDED_STAGES},
            lambda wildcards: (wildcards.model, wildcards.stage),
        ),
        settings=lambda wildcards: Untracked(embedding_settings(wildcards)),
        images=lambda wildcards: raw(wildcards.ds, "images"),
        raw=lambda wildcards: Untracked(raw_dataset(wildcards.ds)),
        device=DEVICE,
        code=code("embed_cells"),
    message:
        "Embeddings of {wildcards.model}, {wildcards.stage} on {wildcards.ds}, shard {wildcards.sh}"
    script:
        "../workflow/scripts/embed_cells.py"


rule embed_read_cells:
    input:
        store="results/store/{ds}/{sh}.h5",
        masks="results/masks/{ds}/{sh}.h5",
        cells="results/masks/{ds}/{sh}.cells.parquet",
        weights=lambda wildcards: READERS[wildcards.model].weights,
        image_table=lambda wildcards: image_tables_of([wildcards.ds]),
    output:
        f"results/embeddings/{{ds}}/{{model}}.{READ_STAGE}/{{sh}}.h5",
    log:
        f"results/logs/embeddings/{{ds}}/{{model}}.{READ_STAGE}/{{sh}}.log",
    benchmark:
        f"results/benchmarks/embeddings/{{ds}}/{{model}}.{READ_STAGE}/{{sh}}.tsv"
    wildcard_constraints:
        model="|".join(EMBEDDED_READERS) or NOTHING,
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=growing(8000),
        runtime=minutes(60, READ_CELLS_S / 60, in_shard),
        gpu=GPUS,
    params:
        **tracked_by(
            {
                (model, ds): results.read_embeddings(settings, model, ds)
                for model in EMBEDDED_READERS
                for ds in settings.datasets
            },
            lambda wildcards: (wildcards.model, wildcards.ds),
        ),
        settings=lambda wildcards: Untracked(READERS[wildcards.model]),
        pixel_size_um=lambda wildcards: Untracked(settings.datasets[wildcards.ds].pixel_size_um),
        pixel_sizes=pixel_sizes,
        images=lambda wildcards: raw(wildcards.ds, "images"),
        raw=lambda wildcards: Untracked(raw_dataset(wildcards.ds)),
        device=DEVICE,
        code=code("embed_read_cells"),
    message:
        "Embeddings of {wildcards.model} on {wildcards.ds}, shard {wildcards.sh}"
    script:
        "../workflow/scripts/embed_read_cells.py"


rule embedding_picture:
    input:
        embeddings=lambda wildcards: embedding_files(wildcards.ds)[f"{wildcards.model}.{wildcards.stage}"],
        answer="results/cells/{ds}.parquet",
        classes=settings.classes,
    output:
        picture=report(
            "results/embeddings/{ds}/{model}.{stage}/{method}.png",
            caption="../workflow/report/embeddings.rst",
            category="Embeddings",
            labels={
                "data set": "{ds}",
                "member": "{model}, {stage}",
                "shows": "cells by {method}",
            },
        ),
        table="results/embeddings/{ds}/{model}.{stage}/{method}.csv",
        checksums=checksums("results/embeddings/{ds}/{model}.{stage}/{method}.csv"),
    log:
        "results/logs/embeddings/{ds}/{model}.{stage}/{method}.log",
    wildcard_constraints:
        model=named(EMBEDDED),
        method="pca|umap",
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=growing(8000),
        runtime=minutes(60, 0.1 / 60, in_dataset),
    params:
        **tracked_by(
            {method: results.embedding_picture(settings, method) for method in ("pca", "umap")},
            lambda wildcards: wildcards.method,
        ),
        settings=Untracked(settings.embeddings),
        negative=lambda wildcards: settings.negative,
        code=code("embedding_picture"),
    message:
        "Picture ({wildcards.method}) of the embeddings of {wildcards.model}, {wildcards.stage} on {wildcards.ds}"
    script:
        "../workflow/scripts/embedding_picture.py"


rule embeddings:
    input:
        all_embeddings,
        embedding_pictures,
