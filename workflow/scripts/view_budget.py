"""Say how many pictures the viewer will have and what it will take on disk, before it is made."""

from puzzlecell.config.class_table import read_classes
from puzzlecell.data.calibration_table import read_calibration
from puzzlecell.runtime.job import job
from puzzlecell.viewer.budget import write_budget
from puzzlecell.viewer.cells import EnsembleRules, ShardFiles

if __name__ == "__main__":
    given, params = snakemake.input, snakemake.params
    with job(snakemake) as progress:
        names = read_classes(given.classes)
        calibration = read_calibration(given.calibration, names) if given.calibration else None
        shards = params.shards
        members, images = len(given.members) // len(shards), len(given.images) // len(shards)
        files = [
            ShardFiles(
                given.store[place],
                given.masks[place],
                given.cells[place],
                members=given.members[place * members : (place + 1) * members],
                images=given.images[place * images : (place + 1) * images],
            )
            for place in range(len(shards))
        ]
        rules = EnsembleRules(params.ensemble, names, params.negative.value, calibration)
        lines = write_budget(
            snakemake.output[0], dict(zip(shards, files, strict=True)), rules, params.settings, progress
        )
        for line in lines:
            progress.say(line)
