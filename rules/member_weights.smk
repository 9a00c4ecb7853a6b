# Which members each class trusts, chosen on out-of-fold predictions for cells whose classes are known; on request.
rule choose_members:
    input:
        cells=lambda wildcards: per_shard("results/masks/{ds}/{sh}.cells.parquet", known_sets()),
        masks=lambda wildcards: per_shard("results/masks/{ds}/{sh}.h5", true_sets()),
        members=lambda wildcards: [
            path for ds in known_sets() for group in unseen_members(ds) for path in group
        ],
        images=lambda wildcards: [
            path for ds in known_sets() for group in unseen_images(ds) for path in group
        ],
        folds=lambda wildcards: ["results/folds/folds.csv"] if set(known_sets()) & set(IN_FOLDS) else [],
        truth=lambda wildcards: tables("truth", true_sets()),
        graded=lambda wildcards: expand("results/grades/{ds}.parquet", ds=graded_sets()),
        checksums=lambda wildcards: checksums(
            *(path for ds in known_sets() for path in csv_of(unseen_members(ds) + unseen_images(ds))),
            *(["results/folds/folds.csv"] if set(known_sets()) & set(IN_FOLDS) else []),
        ),
        classes=settings.classes,
    output:
        table="results/member_weights/members.csv",
        checksums=checksums("results/member_weights/members.csv"),
        overlay="results/member_weights/members.yaml",
    log:
        "results/logs/member_weights.log",
    benchmark:
        "results/benchmarks/member_weights.tsv"
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=growing(8000, 0.1, in_sets("train", "additional", "holdout")),
        runtime=minutes(60, 1 / 60, in_sets("train", "additional", "holdout")),
    params:
        **tracked(results.member_choice(settings)),
        settings=settings,
        datasets=lambda wildcards: known_sets(),
        in_folds=lambda wildcards: Untracked([ds in IN_FOLDS for ds in known_sets()]),
        shards=lambda wildcards: Untracked([settings.datasets[ds].shards for ds in known_sets()]),
        members=lambda wildcards: Untracked([[*map(len, unseen_members(ds))] for ds in known_sets()]),
        images=lambda wildcards: Untracked([[*map(len, unseen_images(ds))] for ds in known_sets()]),
        negative=Untracked(NEGATIVE),
        code=code("member_weights"),
    message:
        "Choose the members that each class trusts"
    script:
        "../workflow/scripts/member_weights.py"


rule member_weights:
    input:
        rules.choose_members.output,
