"""Step 1 of a shard: class activation maps of whole fields, read under each cell."""

from puzzlecell.config.steps import Step1Settings
from puzzlecell.inference.step1 import step1_shard
from puzzlecell.runtime.devices import one_device
from puzzlecell.runtime.job import job


def main(cells, images, store, masks, models, settings, negative, gpu, threads, progress):
    with one_device(gpu) as device:
        step1_shard(
            store,
            masks,
            models,
            cells,
            Step1Settings(**settings),
            negative=negative,
            image_path=images,
            device=str(device),
            threads=threads,
            progress=progress,
        )


if __name__ == "__main__":
    names = snakemake.wildcards
    with job(
        f"step1 {names.ds}/{names.model}.{names.stage}/{names.sh}",
        snakemake.log[0],
        snakemake.params.settings,
    ) as progress:
        main(
            snakemake.output.cells,
            snakemake.output.images,
            snakemake.input.store,
            snakemake.input.masks,
            list(snakemake.input.models),
            snakemake.params.settings,
            snakemake.params.negative,
            snakemake.params.gpu,
            snakemake.threads,
            progress,
        )
