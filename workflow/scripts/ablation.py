"""Score the trained models with one inference or ensemble setting changed at a time."""

from puzzlecell.config.readers import READ_STAGE
from puzzlecell.data.field_sources import image_sources
from puzzlecell.runtime.devices import one_device
from puzzlecell.runtime.job import job
from puzzlecell.scoring.ablation import AblationData, write_ablation

if __name__ == "__main__":
    given, params = snakemake.input, snakemake.params
    folds, shards = len(given.models) // max(1, len(params.stages)), len(given.store)
    with job(snakemake) as progress, one_device(params.device.value) as device:
        write_ablation(
            snakemake.output[0],
            AblationData(
                store=list(given.store),
                masks=list(given.masks),
                cells=list(given.cells),
                truth=given.truth[0],
                models={
                    stage: given.models[number * folds : (number + 1) * folds]
                    for number, stage in enumerate(params.stages)
                },
                negative=params.negative.value,
                of_cells=params.of_cells.value,
                read={
                    (model, READ_STAGE): given.read[number * shards : (number + 1) * shards]
                    for number, model in enumerate(params.read_by.value)
                },
                images=image_sources(params.raw.value) if params.settings.step2.source == "raw" else None,
            ),
            step1=params.settings.step1,
            step2=params.settings.step2,
            ensemble=params.settings.ensemble,
            score=params.settings.score,
            device=device,
            threads=snakemake.threads,
            progress=progress,
        )
