from puzzlecell.data.bucket_fields import folder_state
from puzzlecell.data.source_states import pixel_sizes_state
from puzzlecell.runtime.fingerprint import folder_digest
from puzzlecell.segmentation.requirements import weights_state

SEGMENTER = settings.segmentation.chosen


# Digest of the user's own label images, if they are used as masks; those of simulated fields change with the fields.
masks_state = lambda wildcards: (
    f"label images: {label_images_state(own_masks(wildcards.ds))}"
    if settings.segmentation.method == "masks" and settings.datasets[wildcards.ds].simulate is None
    else None
)
# Digest of the pixel sizes in the table of images, if there is one.
pixel_sizes = lambda wildcards: look(
    wildcards,
    lambda dataset: pixel_sizes_state(dataset, int(wildcards.sh), settings.datasets[wildcards.ds].shards),
)
label_images_state = lambda folder: folder_state(folder) if is_url(folder) else folder_digest(folder)


rule segment:
    input:
        store="results/store/{ds}/{sh}.h5",
        image_table=lambda wildcards: image_tables_of([wildcards.ds]),
    output:
        masks="results/masks/{ds}/{sh}.h5",
        cells="results/masks/{ds}/{sh}.cells.parquet",
        overlay=report(
            "results/masks/{ds}/{sh}.png",
            caption="../workflow/report/masks.rst",
            category="Masks",
            labels={"data set": "{ds}", "shard": "{sh}"},
        ),
    log:
        "results/logs/segment/{ds}/{sh}.log",
    benchmark:
        "results/benchmarks/segment/{ds}/{sh}.tsv"
    conda:
        "../envs/pipeline.yaml"
    threads: at_most(SEGMENTER.threads)
    resources:
        mem_mb=growing(8000),
        runtime=minutes(60, 30 / 60, in_shard),
        gpu=GPUS if SEGMENTER.uses_gpu else 0,
    params:
        **tracked_by(
            {ds: results.segmentation(settings, ds) for ds in settings.datasets},
            lambda wildcards: wildcards.ds,
        ),
        settings=settings.segmentation,
        pixel_size_um=lambda wildcards: Untracked(settings.datasets[wildcards.ds].pixel_size_um),
        plausibility=settings.plausibility,
        pixel_sizes=pixel_sizes,
        images=lambda wildcards: raw(wildcards.ds, "images"),
        raw=lambda wildcards: Untracked(raw_dataset(wildcards.ds)),
        data_folder=lambda wildcards: Untracked(raw(wildcards.ds, "folder")),
        # Only refuses label images.
        max_megapixels=Untracked(settings.ingest.max_megapixels),
        user_masks=masks_state,
        # Not an input, so that a dry run works before the weights exist.
        weights=f"weights: {weights_state(settings.segmentation)}",
        device=DEVICE if SEGMENTER.uses_gpu else Untracked("cpu"),
        code=code("segment", SEGMENTER.module_name()),
    message:
        "Segment data set {wildcards.ds}, shard {wildcards.sh}"
    script:
        "../workflow/scripts/segment.py"


rule masks:
    input:
        per_shard("results/masks/{ds}/{sh}.h5", TEST),
