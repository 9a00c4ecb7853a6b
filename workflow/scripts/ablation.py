"""Score the trained models with one choice after training changed at a time."""

from puzzlecell.config.ensemble import EnsembleSettings
from puzzlecell.config.score import ScoreSettings
from puzzlecell.config.steps import Step1Settings, Step2Settings
from puzzlecell.runtime.atomic import written_whole
from puzzlecell.runtime.devices import one_device
from puzzlecell.runtime.job import job
from puzzlecell.scoring.ablation import AblationData, ablation_table


def main(output, data, settings, gpu, threads, progress):
    with one_device(gpu) as device:
        table = ablation_table(
            data,
            Step1Settings(**settings["step1"]),
            Step2Settings(**settings["step2"]),
            EnsembleSettings(**settings["ensemble"]),
            ScoreSettings(**settings["score"]),
            device=device,
            threads=threads,
            progress=progress,
        )
    with written_whole(output) as temporary:
        table.to_csv(temporary, index=False, float_format="%.4f")


if __name__ == "__main__":
    given = snakemake.input
    with job(f"ablation {snakemake.wildcards.ds}", snakemake.log[0], snakemake.params.settings) as progress:
        stages = [tuple(stage) for stage in snakemake.params.stages]
        folds = len(given.models) // len(stages)
        data = AblationData(
            store=list(given.store),
            masks=list(given.masks),
            cells=list(given.cells),
            truth=given.truth[0],
            models={stage: given.models[n * folds : (n + 1) * folds] for n, stage in enumerate(stages)},
            negative=snakemake.params.negative,
        )
        main(
            snakemake.output[0],
            data,
            snakemake.params.settings,
            snakemake.params.gpu,
            snakemake.threads,
            progress,
        )
