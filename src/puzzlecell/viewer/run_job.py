"""What the job of the index of the viewer is given, for its script and for the server, which runs no jobs."""

from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from puzzlecell.config.class_table import read_classes
from puzzlecell.data.calibration_table import read_calibration
from puzzlecell.viewer.index import run_content
from puzzlecell.viewer.summary import RunFiles, summary

CALIBRATION, RELIABILITY = "results/calibration/calibration.csv", "results/calibration/reliability.csv"
WARNINGS = "results/view/data/warnings.js"


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
    variability = {name: f"results/variability/{name}.csv" for name in params.datasets}
    return RunFiles(
        answers=dict(zip(params.datasets, given.answers, strict=True)),
        scores=dict(zip(scored, islice(tables, len(scored)), strict=True)),
        class_scores=dict(zip(scored, islice(tables, len(scored)), strict=True)),
        rejected={name: list(islice(tables, count)) for name, count in params.listed.value.items()},
        histories={names: list(islice(tables, folds)) for names, folds in params.trainings.value.items()},
        graded={name: path for name, path in graded.items() if path in there},
        variability={name: path for name, path in variability.items() if path in there},
        calibration=next(iter([*given.calibration, *({CALIBRATION} & there)]), None),
        reliability=next(iter([*given.reliability, *({RELIABILITY} & there)]), None),
        licence=next(iter(given.licence), None),
    )
