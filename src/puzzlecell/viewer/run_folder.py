"""The viewer of a finished run, served straight from the files of its folder."""

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from puzzlecell.data.store import ShardReader
from puzzlecell.data.tables import read_parquet
from puzzlecell.errors import UserError
from puzzlecell.runtime.loaded_workflow import inputs_of, job_with, loaded_workflow
from puzzlecell.runtime.messages import first_few
from puzzlecell.runtime.run_record import RunRequest, last_request
from puzzlecell.viewer.run_job import run_of_job
from puzzlecell.viewer.served import ServedView
from puzzlecell.viewer.server import ViewServer
from puzzlecell.viewer.shard import ShardView
from puzzlecell.viewer.shard_job import shard_of_job
from puzzlecell.viewer.write_shard import metadata_names

VIEW = Path("results/view")


@contextmanager
def served_run(configfiles: Sequence[str] = (), *, cores: int, port: int = 0) -> Iterator[ViewServer]:
    """Provide a server of the run in the current folder; runs no jobs and writes nothing.

    configfiles: of the run; none: those of the last run in the folder, which its record names. Raises UserError for a
    folder without a run, an invalid configuration, results that are missing, and a taken port.
    """
    from snakemake.exceptions import WorkflowError

    last = last_request() or RunRequest()
    if last.bucket is not None:
        raise UserError(f"this run keeps its results in {last.bucket}; only those in a folder can be served")
    if not Path(last.snakefile).is_file():
        raise UserError(
            f"there is no {last.snakefile} of the run in {Path.cwd()}; give the folder of a finished run"
        )
    try:
        with loaded_workflow(cores, [*configfiles] or last.configfiles, last.snakefile) as workflow:
            served = _served(workflow)
            with ViewServer(served, port) as server:
                yield server
    except WorkflowError as error:
        raise UserError(str(error).strip()) from error


def _served(workflow: Any) -> ServedView:
    """What is served of a run whose workflow has been loaded."""
    index = job_with(workflow, "view_index", {})
    inputs = {name: inputs_of(workflow, "view_shard", _wildcards(name)) for name in index.params.shards}
    _check_files(
        path for given in [*inputs.values(), index.input] for path in given if VIEW not in Path(path).parents
    )
    # Snakemake works out parameters when they are asked for, one at a time.
    lock = threading.Lock()

    def shard(name: str) -> ShardView:
        with lock:
            return shard_of_job(job_with(workflow, "view_shard", _wildcards(name)), every=True)

    first: dict[str, ShardView] = {}
    for name in inputs:
        dataset = name.split("/")[0]
        if dataset not in first:
            first[dataset] = shard(name)
    facts = {name: _facts(given, first[name.split("/")[0]]) for name, given in inputs.items()}
    shards = {name: partial(shard, name) for name in inputs}
    return ServedView(partial(run_of_job, index, facts, served=True), shards, chunks_of_other_rules(first))


def _wildcards(name: str) -> dict[str, str]:
    return dict(zip(("ds", "sh"), name.split("/"), strict=True))


def _facts(given: Any, first: ShardView) -> dict[str, Any]:
    """The `shard_facts` of a shard with the pictures of all cells and fields. first: any shard of its data set."""
    fields, cells = len(ShardReader([given.store])), len(read_parquet(given.cells, ["cell"]))
    numbers = {"fields": fields, "cells": cells, "pictures": cells, "field_pictures": fields, "bytes": 0}
    return {**numbers, "metadata": metadata_names(first), "truth": first.files.truth is not None}


def _check_files(paths: Iterable[str]) -> None:
    missing = sorted({path for path in paths if not Path(path).exists()})
    if missing:
        raise UserError(
            f"the run is not finished: there is no {first_few(missing, 4)}; make what is missing with "
            "`snakemake --cores all view`"
        )


def chunks_of_other_rules(datasets: Iterable[str]) -> dict[str, Path]:
    """Chunks of the viewer besides those of the shards and of the run, by name, as far as there are some; no links."""
    data = VIEW / "data"
    return {
        path.relative_to(data).with_suffix("").as_posix(): path.absolute()
        for folder in (data, *(data / name for name in datasets))
        for path in sorted(folder.glob("*.js"))
        if path.is_file() and not path.is_symlink() and path.name != "run.js"
    }
