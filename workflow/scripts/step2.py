"""Step 2 of a shard: every cell cut out and classified by itself."""

from puzzlecell.config.steps import Step2Settings
from puzzlecell.inference.step2 import step2_shard
from puzzlecell.runtime.devices import one_device
from puzzlecell.runtime.job import job


def main(cells, store, masks, models, settings, images, gpu, threads, progress):
    with one_device(gpu) as device:
        step2_shard(
            store,
            masks,
            models,
            cells,
            Step2Settings(**settings),
            raw_folder=images,
            device=device,
            threads=threads,
            progress=progress,
        )


if __name__ == "__main__":
    names = snakemake.wildcards
    title = f"step2 {names.ds}/{names.model}.{names.stage}/{names.sh}"
    with job(title, snakemake.log[0], snakemake.params.settings) as progress:
        main(
            snakemake.output.cells,
            snakemake.input.store,
            snakemake.input.masks,
            list(snakemake.input.models),
            snakemake.params.settings,
            snakemake.params.images,
            snakemake.params.gpu,
            snakemake.threads,
            progress,
        )
