"""Step 1 of labelled fields by models that did not see them, cell by cell."""

import pandas as pd

from puzzlecell.config.steps import Step1Settings
from puzzlecell.data.store import ShardReader
from puzzlecell.inference.out_of_fold import write_oof
from puzzlecell.runtime.devices import one_device
from puzzlecell.runtime.job import job


def main(
    output,
    images,
    store,
    masks,
    cells,
    models,
    settings,
    negative,
    folds,
    datasets,
    fold,
    gpu,
    threads,
    progress,
):
    field_ids = None
    if fold is not None:
        table = pd.read_csv(folds, dtype={"ID": str})
        wanted = table[(table["fold"] == fold) & table["dataset"].isin(datasets)]
        stored = ShardReader(store)
        field_ids = [field_id for field_id in wanted["ID"] if field_id in stored]
    with one_device(gpu) as device:
        write_oof(
            output,
            store,
            masks,
            cells,
            models,
            Step1Settings(**settings),
            negative=negative,
            field_ids=field_ids,
            images_csv=images,
            device=device,
            threads=threads,
            progress=progress,
        )


if __name__ == "__main__":
    with job(f"write {snakemake.output.cells}", snakemake.log[0], snakemake.params.settings) as progress:
        main(
            snakemake.output.cells,
            snakemake.output.get("images"),
            list(snakemake.input.store),
            list(snakemake.input.masks),
            list(snakemake.input.cells),
            list(snakemake.input.models),
            snakemake.params.settings,
            snakemake.params.negative,
            snakemake.input.get("folds"),
            snakemake.params.get("datasets"),
            snakemake.params.get("fold"),
            snakemake.params.gpu,
            snakemake.threads,
            progress,
        )
