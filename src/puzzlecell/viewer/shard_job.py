"""What a job of a shard of the viewer is given, for its script and for the server, which runs no jobs."""

from typing import Any

from puzzlecell.config.class_table import read_classes
from puzzlecell.data.calibration_table import read_calibration
from puzzlecell.data.field_sources import metadata_columns
from puzzlecell.data.pixel_sizes import stated_pixel_sizes
from puzzlecell.viewer.cells import EnsembleRules, ShardFiles
from puzzlecell.viewer.shard import ShardFacts, ShardView

CALIBRATION, RELIABILITY = "results/calibration/calibration.csv", "results/calibration/reliability.csv"
WARNINGS = "results/view/data/warnings.js"


def shard_of_job(job: Any, *, every: bool = False) -> ShardView:
    """The shard of a job of the rule `view_shard`: its object `snakemake`. every: see `ShardFacts`."""
    given, params = job.input, job.params
    names = read_classes(given.classes)
    files = ShardFiles(
        given.store,
        given.masks,
        given.cells,
        members=given.members,
        images=given.images,
        unlike_cells=next(iter(given.unlike_cells), None),
        unlike_fields=next(iter(given.unlike_fields), None),
        truth=next(iter(given.truth), None),
        cams=next(iter(given.cams), None),
    )
    facts = ShardFacts(
        shards=params.shards.value,
        pixel_sizes=stated_pixel_sizes(params.configured_um.value, params.raw.value),
        metadata=metadata_columns(params.raw.value),
        score=params.score,
        every=every,
    )
    rules = EnsembleRules(
        params.ensemble,
        names,
        params.negative.value,
        read_calibration(given.calibration, names) if given.calibration else None,
    )
    return ShardView(files, rules, params.settings, facts)
