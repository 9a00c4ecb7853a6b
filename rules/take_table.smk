# Probabilities of cells that another program has written, shard by shard: what step 2 is for the stages that are trained here.


rule take_table:
    input:
        cells="results/masks/{ds}/{sh}.cells.parquet",
        # The rows of the shard are compared instead.
        table=lambda wildcards: ancient(foreign_table(wildcards)),
        classes=settings.classes,
    output:
        cells=f"results/step2/{{ds}}/{{model}}.{READ_STAGE}/{{sh}}.parquet",
    log:
        "results/logs/take_table/{ds}/{model}/{sh}.log",
    wildcard_constraints:
        model="|".join(FOREIGN) or NOTHING,
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000, 0.05, in_shard),
        runtime=minutes(30, 0.1 / 60, in_dataset),
    params:
        rows=foreign_rows,
        shards=lambda wildcards: Untracked(settings.datasets[wildcards.ds].shards),
        code=code("take_table"),
    message:
        "Cells of {wildcards.ds}, shard {wildcards.sh}, from the table of {wildcards.model}"
    script:
        "../workflow/scripts/take_table.py"
