"""Train the classifier of a stage with a frozen backbone on kept features; an interrupted training resumes."""

import os
from pathlib import Path

from puzzlecell.config.class_table import read_classes
from puzzlecell.data.chance import warn_of_classes_at_chance
from puzzlecell.data.store import shard_checksum
from puzzlecell.runtime.devices import one_device
from puzzlecell.runtime.fingerprint import fingerprint
from puzzlecell.runtime.job import job
from puzzlecell.runtime.tracking import tracked_texts
from puzzlecell.training.run import STATES_BELOW, TrainingRun, training_table
from puzzlecell.training.train import train

if __name__ == "__main__":
    given, params = snakemake.input, snakemake.params
    start = list(given.start)
    with job(snakemake) as progress, one_device(params.device.value, params.settings.compute.gpus) as device:
        classes = read_classes(given.classes)
        run = TrainingRun(
            settings=params.settings,
            classes=classes,
            stores=[Path(path) for path in given.features],
            table=training_table(
                given.labels, given.folds, given.features, classes, without_class=params.labels.without_class
            ),
            fold=int(snakemake.wildcards.fold),
            output=Path(snakemake.output.model).parent,
            states_below=os.environ.get(STATES_BELOW),
            fingerprint=fingerprint(
                [
                    params.code,
                    *tracked_texts(params),
                    *map(str, snakemake.wildcards),
                    *map(shard_checksum, given.features),
                ],
                [*given.labels, given.folds, *start, given.classes],
            ),
            init_from=Path(start[0]) if start else None,
            device=device,
            threads=snakemake.threads,
            metadata={"stage": snakemake.wildcards.stage},
        )
        train(run, progress)
        warn_of_classes_at_chance(snakemake.output.oof, classes, params.plausibility)
