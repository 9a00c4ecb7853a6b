"""What jobs of the rules of the viewer are given, for their scripts and for the server, which runs no jobs."""

from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from puzzlecell.config.class_table import read_classes
from puzzlecell.data.calibration_table import read_calibration
from puzzlecell.data.field_sources import metadata_columns
from puzzlecell.data.pixel_sizes import stated_pixel_sizes
from puzzlecell.viewer.cells import EnsembleRules, ShardFiles
from puzzlecell.viewer.index import run_content
from puzzlecell.viewer.shard import ShardFacts, ShardView
from puzzlecell.viewer.summary import RunFiles, summary

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


def run_of_job(job: Any, facts: Mapping[str, Mapping[str, Any]], *, served: bool = False) -> dict[str, Any]:
    """Content of the chunk `run` of a job of the rule `view_index`. facts: of each shard, see `shard_facts`.

    served: the chunks of the viewer itself may be missing; those that are there are named.
    """
    given, params = job.input, job.params
    names = read_classes(given.classes)
    applied = next(iter(given.calibration), None)
    content = run_content(
        facts,
        params.whole.value,
        names,
        negative=params.negative.value,
        calibration=None if applied is None else read_calibration(applied, names),
    )
    quality = zip(params.datasets, given.quality, strict=True)
    content["summary"] = summary(
        run_files(given, params),
        params.whole.value,
        names,
        quality=[name for name, path in quality if not served or Path(path).exists()],
        warned=Path(WARNINGS).exists() if served else params.warned,
    )
    return content


def run_files(given: Any, params: Any) -> RunFiles:
    """The files that the overview reads. given, params: input and parameters of a job of the rule `view_index`.

    Its input `tables` has one kind after the other: scores, scores of classes, rejected fields, histories.
    """
    tables, scored = iter(given.tables), params.scored
    # Path and checksum of each result that was made on request.
    there = {text.rsplit(" ", 1)[0] for text in params.requested}
    graded = {name: f"results/score/{name}.graded.csv" for name in params.datasets}
    return RunFiles(
        answers=dict(zip(params.datasets, given.answers, strict=True)),
        scores=dict(zip(scored, islice(tables, len(scored)), strict=True)),
        class_scores=dict(zip(scored, islice(tables, len(scored)), strict=True)),
        rejected={name: list(islice(tables, count)) for name, count in params.listed.value.items()},
        histories={names: list(islice(tables, folds)) for names, folds in params.trainings.value.items()},
        graded={name: path for name, path in graded.items() if path in there},
        calibration=next(iter([*given.calibration, *({CALIBRATION} & there)]), None),
        reliability=next(iter([*given.reliability, *({RELIABILITY} & there)]), None),
        licence=next(iter(given.licence), None),
    )
