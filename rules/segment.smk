from puzzlecell.runtime.fingerprint import folder_digest
from puzzlecell.segmentation.requirements import weights_state

SEGMENTER = settings.segmentation.chosen


def own_masks(dataset):
    """Folder of the user's own label images."""
    return f"{os.path.dirname(raw(dataset, 'images'))}/{settings.segmentation.masks.folder}"


def masks_state(wildcards):
    """Digest of the user's own label images, where the cells are taken from them."""
    if settings.segmentation.method == "masks":
        return f"label images: {folder_digest(own_masks(wildcards.ds))}"
    return None


rule segment:
    input:
        store="results/store/{ds}/{sh}.h5",
    output:
        masks="results/masks/{ds}/{sh}.h5",
        cells="results/masks/{ds}/{sh}.cells.parquet",
        overlay=report(
            "results/masks/{ds}/{sh}.png",
            caption="../workflow/report/masks.rst",
            category="Masks",
        ),
    log:
        "results/logs/segment/{ds}/{sh}.log",
    benchmark:
        "results/benchmarks/segment/{ds}/{sh}.tsv"
    conda:
        "../envs/pipeline.yaml"
    threads: min(SEGMENTER.threads, available_cores())
    resources:
        mem_mb=8000,
        runtime=240,
        gpu=GPUS if SEGMENTER.uses_gpu else 0,
    params:
        **tracked_by(
            {ds: results.segmentation(settings, ds) for ds in settings.datasets},
            lambda wildcards: wildcards.ds,
        ),
        settings=settings.segmentation,
        pixel_size_um=lambda wildcards: Untracked(settings.datasets[wildcards.ds].pixel_size_um),
        images=lambda wildcards: raw(wildcards.ds, "images"),
        user_masks=masks_state,
        # Not an input: a plan can be made before the weights are there.
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
