# What the viewer says about the run as a whole and about the quality of its answer.
from puzzlecell.runtime.checksums import checksum_path

VIEW_SCORED = [ds for ds in VIEW_SETS if tables("truth", [ds])]
# Data sets whose rejected fields are listed: those that are shown and those that were trained on.
VIEW_LISTED = list(dict.fromkeys([*VIEW_SETS, *settings.training_sets()]))
VIEW_TRAININGS = {
    names: [f"results/models/{names[0]}/{names[1]}/fold{fold}/history.csv" for fold in FOLDS]
    for names in settings.trained_stages()
}
VIEW_SMALL_TABLES = [
    *expand("results/score/{ds}.csv", ds=VIEW_SCORED),
    *expand("results/score/{ds}.classes.csv", ds=VIEW_SCORED),
    *per_shard("results/store/{ds}/{sh}.rejected.csv", VIEW_LISTED),
    *(path for paths in VIEW_TRAININGS.values() for path in paths),
]
RELIABILITY = "results/calibration/reliability.csv"
# Results that are made on request alone: they are shown where they are there, and nothing makes them for the viewer.
VIEW_REQUESTED = [
    *expand("results/score/{ds}.graded.csv", ds=VIEW_SETS),
    *expand("results/variability/{ds}.csv", ds=VIEW_SETS),
    *([] if CALIBRATION == RUN_CALIBRATION else [RUN_CALIBRATION, RELIABILITY]),
]


def view_requested(wildcards):
    """State of the results that were made on request: path and checksum of each that is there."""
    if BUCKET:
        return []
    return [
        f"{path} {checksum_path(path).read_text().strip()}"
        for path in VIEW_REQUESTED
        if os.path.exists(path) and checksum_path(path).exists()
    ]


rule view_quality:
    input:
        answer="results/cells/{ds}.parquet",
        store=lambda wildcards: per_shard("results/store/{ds}/{sh}.h5", [wildcards.ds]),
        masks=lambda wildcards: per_shard("results/masks/{ds}/{sh}.h5", [wildcards.ds]),
        truth=lambda wildcards: tables("truth", [wildcards.ds]),
        score=lambda wildcards: [
            f"results/score/{wildcards.ds}.classes.csv" for _ in tables("truth", [wildcards.ds])
        ],
        checksums=lambda wildcards: [
            path
            for _ in tables("truth", [wildcards.ds])
            for path in checksums(f"results/score/{wildcards.ds}.classes.csv")
        ],
        image_table=lambda wildcards: image_tables_of([wildcards.ds]),
        classes=settings.classes,
    output:
        "results/view/data/{ds}/quality.js",
    log:
        "results/logs/view_quality/{ds}.log",
    benchmark:
        "results/benchmarks/view_quality/{ds}.tsv"
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=growing(8000, 0.1, in_dataset),
        runtime=minutes(60, 1 / 60, in_dataset),
    params:
        **tracked(results.deciding(settings.score, "score")),
        settings=settings.score,
        raw=lambda wildcards: Untracked(raw_dataset(wildcards.ds)),
        configured_um=lambda wildcards: Untracked(settings.datasets[wildcards.ds].pixel_size_um),
        pixel_size_um=lambda wildcards: [f"pixel_size_um: {settings.datasets[wildcards.ds].pixel_size_um}"],
        pixel_sizes=lambda wildcards: [
            pixel_sizes(SimpleNamespace(ds=wildcards.ds, sh=sh)) for sh in shards(wildcards.ds)
        ],
        code=code("view_quality"),
    message:
        "Viewer: quality of {wildcards.ds}"
    script:
        "../workflow/scripts/view_quality.py"
