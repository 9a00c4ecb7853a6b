"""Train one stage of a model on all folds but one; an interrupted training resumes from its last checkpoint."""

from puzzlecell.config.class_table import read_classes
from puzzlecell.runtime.devices import one_device
from puzzlecell.runtime.job import job
from puzzlecell.training.job_training import train_stage
from puzzlecell.training.run import training_table

if __name__ == "__main__":
    given, params = snakemake.input, snakemake.params
    with job(snakemake) as progress, one_device(params.device.value, params.settings.compute.gpus) as device:
        classes = read_classes(given.classes)
        train_stage(
            snakemake,
            progress,
            device=device,
            classes=classes,
            table=training_table(
                given.labels, given.folds, given.store, classes, without_class=params.labels.without_class
            ),
            stores=given.store,
            tables=[*given.labels, given.folds],
        )
