"""Segment the cells and nuclei of a shard and describe each cell."""

from puzzlecell.data.field_sources import image_sources
from puzzlecell.data.field_summary import read_summary
from puzzlecell.data.pixel_sizes import stated_pixel_sizes
from puzzlecell.data.plausibility import check, warn
from puzzlecell.runtime.devices import one_device
from puzzlecell.runtime.job import job
from puzzlecell.segmentation.shard import segment_shard

if __name__ == "__main__":
    output, params = snakemake.output, snakemake.params
    with job(snakemake) as progress, one_device(params.device.value) as device:
        pixel_sizes = stated_pixel_sizes(params.pixel_size_um.value, params.raw.value)
        segment_shard(
            snakemake.input.store,
            output.masks,
            output.cells,
            overlay_path=output.overlay,
            settings=params.settings,
            pixel_sizes=pixel_sizes,
            images=image_sources(params.raw.value) if params.settings.source == "raw" else None,
            data_folder=params.data_folder.value,
            max_megapixels=params.max_megapixels.value,
            device=device,
            threads=snakemake.threads,
            progress=progress,
        )
        summary = read_summary(
            snakemake.wildcards.ds,
            pixel_sizes,
            [snakemake.input.store],
            [output.cells],
        )
        check(summary, params.plausibility, params.plausibility.min_fields)
        warn(summary, params.plausibility)
