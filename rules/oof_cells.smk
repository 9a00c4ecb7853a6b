# The ensemble out of fold: its predictions for the cells of labelled data sets, by models that have not seen the fields.
rule oof_cells:
    input:
        cells=lambda wildcards: per_shard("results/masks/{ds}/{sh}.cells.parquet", [wildcards.ds]),
        members=lambda wildcards: [path for group in unseen_members(wildcards.ds) for path in group],
        images=lambda wildcards: [path for group in unseen_images(wildcards.ds) for path in group],
        folds=lambda wildcards: "results/folds/folds.csv" if wildcards.ds in IN_FOLDS else [],
        checksums=lambda wildcards: checksums(
            *csv_of(unseen_members(wildcards.ds)),
            *csv_of(unseen_images(wildcards.ds)),
            *(["results/folds/folds.csv"] if wildcards.ds in IN_FOLDS else []),
        ),
    output:
        "results/oof/cells/{ds}.parquet",
    log:
        "results/logs/oof/cells/{ds}.log",
    benchmark:
        "results/benchmarks/oof/cells/{ds}.tsv"
    wildcard_constraints:
        ds="|".join(settings.datasets_of("train", "additional", "holdout")) or "none",
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000, 0.05, in_dataset),
        runtime=minutes(30, 0.1 / 60, in_dataset),
    params:
        **tracked(results.ensemble(settings)),
        settings=settings.ensemble,
        members=lambda wildcards: Untracked([len(group) for group in unseen_members(wildcards.ds)]),
        images=lambda wildcards: Untracked([len(group) for group in unseen_images(wildcards.ds)]),
        negative=Untracked(NEGATIVE),
        code=code("oof_cells"),
    message:
        "Out-of-fold predictions of the ensemble for {wildcards.ds}"
    script:
        "../workflow/scripts/oof_cells.py"
