"""Train one stage of a model on crops of cells of all folds but one; an interrupted training resumes."""

import os
from dataclasses import asdict
from pathlib import Path

from puzzlecell.config.class_table import read_classes
from puzzlecell.data.cell_crops import crop_geometry
from puzzlecell.data.chance import warn_of_classes_at_chance
from puzzlecell.data.store import shard_checksum
from puzzlecell.runtime.devices import one_device
from puzzlecell.runtime.fingerprint import fingerprint
from puzzlecell.runtime.job import job
from puzzlecell.runtime.tracking import tracked_texts
from puzzlecell.training.run import STATES_BELOW, CellData, TrainingRun, cell_table
from puzzlecell.training.train import train

if __name__ == "__main__":
    given, params = snakemake.input, snakemake.params
    start = list(given.start)
    with job(snakemake) as progress, one_device(params.device.value, params.settings.compute.gpus) as device:
        classes, seen = read_classes(given.classes), params.settings.input
        stride = params.settings.network.output_stride
        geometry = crop_geometry(params.step2, seen.field_size, seen.crop_size, output_stride=stride)
        run = TrainingRun(
            settings=params.settings,
            classes=classes,
            stores=[Path(path) for path in given.store],
            table=cell_table(given.targets, params.folds, given.store, classes),
            fold=int(snakemake.wildcards.fold),
            output=Path(snakemake.output.model).parent,
            states_below=os.environ.get(STATES_BELOW),
            fingerprint=fingerprint(
                [
                    params.code,
                    *tracked_texts(params),
                    *map(str, snakemake.wildcards),
                    *map(shard_checksum, [*given.store, *given.masks]),
                ],
                [*given.targets, *start, given.classes],
            ),
            init_from=Path(start[0]) if start else None,
            device=device,
            threads=snakemake.threads,
            metadata={
                "stage": snakemake.wildcards.stage,
                "crops": {**asdict(geometry), "pool": params.step2.pool},
            },
            cells=CellData([Path(path) for path in given.masks], geometry, params.step2.pool),
        )
        train(run, progress)
        warn_of_classes_at_chance(snakemake.output.oof, classes, params.plausibility)
