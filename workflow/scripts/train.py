"""Train one stage of a model on all folds but one; a stopped training goes on where it was."""

from pathlib import Path

import pandas as pd

from puzzlecell.config.training import TrainingSettings
from puzzlecell.data.labels import read_classes, read_labels
from puzzlecell.data.store import ShardReader
from puzzlecell.runtime.devices import one_device
from puzzlecell.runtime.fingerprint import fingerprint
from puzzlecell.runtime.job import job
from puzzlecell.training.run import TrainingRun
from puzzlecell.training.train import train


def main(model, stores, labels, folds, start, classes, code, settings, fold, gpu, threads, progress):
    names = read_classes(classes)
    labelled = pd.concat([read_labels(path, names) for path in labels])
    table = pd.read_csv(folds, dtype={"ID": str}).merge(labelled, left_on="ID", right_index=True)
    table = table[table["ID"].isin(ShardReader(stores).ids)]
    training = TrainingSettings(**settings["training"])
    with one_device(gpu, training.compute.gpus) as device:
        run = TrainingRun(
            settings=training,
            classes=names,
            stores=[Path(path) for path in stores],
            table=table,
            fold=fold,
            output=Path(model).parent,
            fingerprint=fingerprint(settings, [*labels, folds, *start, classes, *code], stores),
            init_from=Path(start[0]) if start else None,
            device=device,
            threads=threads,
            metadata={"stage": settings},
        )
        train(run, progress)


if __name__ == "__main__":
    names = snakemake.wildcards
    title = f"train {names.model}/{names.stage}/fold{names.fold}"
    with job(title, snakemake.log[0], snakemake.params.settings) as progress:
        main(
            snakemake.output.model,
            list(snakemake.input.store),
            list(snakemake.input.labels),
            snakemake.input.folds,
            [snakemake.input.start] if snakemake.input.start else [],
            snakemake.input.classes,
            list(snakemake.input.code),
            snakemake.params.settings,
            int(names.fold),
            snakemake.params.gpu,
            snakemake.threads,
            progress,
        )
