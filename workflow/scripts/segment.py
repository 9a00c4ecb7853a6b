"""Segment the cells and nuclei of a shard and describe each cell."""

from puzzlecell.config.segmentation import SegmentationSettings
from puzzlecell.runtime.devices import one_device
from puzzlecell.runtime.job import job
from puzzlecell.scoring.plot import write_overlays
from puzzlecell.segmentation import segment_shard


def main(store, masks, cells, overlay, settings, pixel_size_um, images, gpu, threads, progress):
    with one_device(gpu) as device:
        segment_shard(
            store,
            masks,
            cells,
            SegmentationSettings(**settings),
            pixel_size_um,
            raw_folder=images,
            threads=threads,
            device=str(device),
            progress=progress,
        )
    write_overlays(overlay, store, masks)


if __name__ == "__main__":
    title = f"segment {snakemake.wildcards.ds}/{snakemake.wildcards.sh}"
    with job(title, snakemake.log[0], snakemake.params.settings) as progress:
        main(
            snakemake.input.store,
            snakemake.output.masks,
            snakemake.output.cells,
            snakemake.output.overlay,
            snakemake.params.settings,
            snakemake.params.pixel_size_um,
            snakemake.params.images,
            snakemake.params.gpu,
            snakemake.threads,
            progress,
        )
