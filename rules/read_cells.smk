# Cells read one by one by networks that come from elsewhere: what step 2 is for the stages that are trained here.


rule read_cells:
    input:
        store="results/store/{ds}/{sh}.h5",
        masks="results/masks/{ds}/{sh}.h5",
        weights=lambda wildcards: READERS[wildcards.model].weights,
        locations=lambda wildcards: READERS[wildcards.model].locations,
        image_table=lambda wildcards: image_tables_of([wildcards.ds]),
        classes=settings.classes,
    output:
        cells="results/step2/{ds}/{model}.cells/{sh}.parquet",
    log:
        "results/logs/read_cells/{ds}/{model}/{sh}.log",
    benchmark:
        "results/benchmarks/read_cells/{ds}/{model}/{sh}.tsv"
    wildcard_constraints:
        model="|".join(READERS) or NOTHING,
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
                (model, ds): results.reading(settings, model, ds)
                for model in READERS
                for ds in settings.datasets
            },
            lambda wildcards: (wildcards.model, wildcards.ds),
        ),
        settings=lambda wildcards: READERS[wildcards.model],
        pixel_size_um=lambda wildcards: Untracked(settings.datasets[wildcards.ds].pixel_size_um),
        pixel_sizes=pixel_sizes,
        images=lambda wildcards: raw(wildcards.ds, "images"),
        raw=lambda wildcards: Untracked(raw_dataset(wildcards.ds)),
        device=DEVICE,
        code=code("read_cells"),
    message:
        "Cells of {wildcards.ds}, shard {wildcards.sh}, read by {wildcards.model}"
    script:
        "../workflow/scripts/read_cells.py"
