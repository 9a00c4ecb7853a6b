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

    def requested(pattern: str) -> dict[str, str]:
        # In a bucket, what stands before the path is the folder of its copy.
        paths = {name: pattern.format(ds=name) for name in params.datasets}
        return {
            name: found for name, path in paths.items() for found in given.requested if found.endswith(path)
        }

    def one(paths: list[str], path: str) -> str | None:
        return next(iter([*paths, *(found for found in given.requested if found.endswith(path))]), None)

    return RunFiles(
        answers=dict(zip(params.datasets, given.answers, strict=True)),
        scores=dict(zip(scored, islice(tables, len(scored)), strict=True)),
        class_scores=dict(zip(scored, islice(tables, len(scored)), strict=True)),
        rejected={name: list(islice(tables, count)) for name, count in params.listed.value.items()},
        histories={names: list(islice(tables, folds)) for names, folds in params.trainings.value.items()},
        graded=requested("results/score/{ds}.graded.csv"),
        variability=requested("results/variability/{ds}.csv"),
        calibration=one(given.calibration, CALIBRATION),
        reliability=one(given.reliability, RELIABILITY),
        licence=next(iter(given.licence), None),
    )
