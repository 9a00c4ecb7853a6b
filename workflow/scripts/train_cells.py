"""Train one stage of a model on crops of cells of all folds but one; an interrupted training resumes."""

from dataclasses import asdict
from pathlib import Path

from puzzlecell.config.class_table import read_classes
from puzzlecell.data.cell_crops import crop_geometry
from puzzlecell.runtime.devices import one_device
from puzzlecell.runtime.job import job
from puzzlecell.training.job_training import train_stage
from puzzlecell.training.run import CellData, cell_table

if __name__ == "__main__":
    given, params = snakemake.input, snakemake.params
    with job(snakemake) as progress, one_device(params.device.value, params.settings.compute.gpus) as device:
        classes, seen, pool = read_classes(given.classes), params.settings.input, params.step2.pool
        stride = params.settings.network.output_stride
        geometry = crop_geometry(params.step2, seen.field_size, seen.crop_size, output_stride=stride)
        train_stage(
            snakemake,
            progress,
            device=device,
            classes=classes,
            table=cell_table(given.targets, params.folds, given.store, classes),
            stores=given.store,
            tables=given.targets,
            metadata={"crops": {**asdict(geometry), "pool": pool}},
            cells=CellData([Path(path) for path in given.masks], geometry, pool),
        )
