# What looked wrong in the results and did not stop the run: one table, and its main points at the end of the run.
from snakemake.logging import logger

from puzzlecell.errors import UserError


def report_warnings():
    """Write results/warnings.csv from the results that exist, and show on the terminal what it says."""
    from puzzlecell.scoring.warnings_table import (
        DatasetFiles,
        StageFiles,
        as_text,
        find_all,
        write_warnings,
    )

    datasets = [
        DatasetFiles(
            ds,
            given.pixel_size_um,
            per_shard("results/store/{ds}/{sh}.h5", [ds]),
            per_shard("results/store/{ds}/{sh}.rejected.csv", [ds]),
            per_shard("results/masks/{ds}/{sh}.cells.parquet", [ds]),
        )
        for ds, given in settings.datasets.items()
    ]
    stages = [
        StageFiles(
            f"{model}, {stage}",
            given.datasets,
            [f"results/models/{model}/{stage}/fold{fold}/oof.csv" for fold in FOLDS],
        )
        for model, chosen in settings.models.items()
        for stage, given in chosen.stages.items()
        if given.checkpoints is None
    ]
    findings = find_all(datasets, stages, CLASS_NAMES, settings.plausibility)
    text = as_text("results/warnings.csv", findings)
    try:
        write_warnings("results/warnings.csv", findings)
    except (OSError, UserError) as error:
        text = f"{text}\nresults/warnings.csv cannot be written: {error}".strip()
    if text:
        # The display of this project shows it below its summary.
        logger.warning(text, extra={"at_end": True})
