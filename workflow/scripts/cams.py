"""Write the class activation maps of a shard, for the viewer and as pictures."""

from puzzlecell.config.class_table import read_classes
from puzzlecell.data.calibration_table import read_calibration
from puzzlecell.runtime.devices import one_device
from puzzlecell.runtime.job import job
from puzzlecell.viewer.cams import write_cams
from puzzlecell.viewer.cells import EnsembleRules, ShardFiles

if __name__ == "__main__":
    given, params = snakemake.input, snakemake.params
    with job(snakemake) as progress, one_device(params.device.value) as device:
        names = read_classes(given.classes)
        # The tables are given only where they decide on the classes.
        cells = given.cells[0] if given.cells else ""
        files = ShardFiles(given.store, given.masks, cells, given.members, given.images)
        calibration = read_calibration(given.calibration[0], names) if given.calibration else None
        write_cams(
            snakemake.output.maps,
            snakemake.output.pictures,
            files=files,
            models=given.models,
            rules=EnsembleRules(params.ensemble, names, params.negative.value, calibration),
            settings=params.settings,
            step1=params.step1,
            fields=params.fields,
            device=device,
            threads=snakemake.threads,
            progress=progress,
        )
