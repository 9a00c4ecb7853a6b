"""The chunk `run`, with which every page of the viewer begins, and the page itself."""

import os
import shutil
from collections.abc import Collection, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from puzzlecell.config.workflow import Configuration
from puzzlecell.data.calibration_table import Row
from puzzlecell.formats.class_colours import css_colours
from puzzlecell.runtime.atomic import written_whole
from puzzlecell.viewer.chunks import write_chunk
from puzzlecell.viewer.grading import grading
from puzzlecell.viewer.page_files import PAGE, page_files
from puzzlecell.viewer.sheets import PER_SHEET
from puzzlecell.viewer.write_shard import FACTS

FORMAT = 1
"""Number of the format of all chunks; a page refuses others."""


def run_content(
    shards: Mapping[str, Mapping[str, Any]],
    settings: Configuration,
    names: Sequence[str],
    *,
    negative: int | None,
    calibration: Sequence[Row] | None,
) -> dict[str, Any]:
    """Content of the chunk `run`, but for the summaries of other parts.

    shards: `shard_facts` of each shard, by its name such as `test/000`, in their order. calibration: None without.
    """
    datasets: dict[str, dict[str, Any]] = {}
    for name, facts in shards.items():
        dataset, shard = name.split("/")
        found = datasets.setdefault(dataset, _dataset(dataset, settings, calibrated=calibration is not None))
        found["metadata"], found["truth"] = facts["metadata"], facts["truth"]
        numbers = ("fields", "cells", "pictures", "field_pictures", "bytes")
        found["shards"].append({"name": shard, **{key: facts[key] for key in numbers}})
        found["fields"] += facts["fields"]
        found["cells"] += facts["cells"]
    return {
        "format": FORMAT,
        "version": version("puzzlecell"),
        "classes": list(names),
        "colours": css_colours(names, None if negative is None else names[negative]),
        "negative": negative,
        "pictures": {
            "tile": settings.view.tile,
            "per_sheet": PER_SHEET,
            "field_tile": min(settings.view.field_tile, settings.ingest.size),
        },
        "datasets": list(datasets.values()),
        "thresholds": None if calibration is None else [row.threshold for row in calibration],
        "grading": grading(settings, names),
    }


def write_run(path: str | os.PathLike, content: Mapping[str, Any]) -> None:
    """Write the chunk `run`."""
    write_chunk(path, "run", content, {})


def copy_page(folder: str | os.PathLike) -> None:
    """Copy the page into the folder of the viewer."""
    for name in page_files():
        with written_whole(Path(folder, name)) as temporary:
            shutil.copyfile(PAGE / name, temporary)


def remove_others(folder: str | os.PathLike, shards: Collection[str]) -> None:
    """Remove shards and data sets that the viewer no longer shows, so that they are not passed on with the folder.

    folder: of the viewer. shards: those that are shown, such as `test/000`. Folders and files that no job of the viewer
    has made are left alone.
    """
    shown = {name.split("/")[0] for name in shards}
    for made in Path(folder, "data").glob(f"*/*/{FACTS}"):
        if f"{made.parts[-3]}/{made.parts[-2]}" not in shards:
            shutil.rmtree(made.parent)
    for quality in Path(folder, "data").glob("*/quality.js"):
        dataset = quality.parent
        if dataset.name not in shown:
            quality.unlink()
            if not any(dataset.iterdir()):
                dataset.rmdir()


def _dataset(name: str, settings: Configuration, *, calibrated: bool) -> dict[str, Any]:
    given = settings.datasets[name]
    steps = sorted({member.step for member in settings.ensemble.members})
    return {
        "name": name,
        "role": given.role,
        "shards": [],
        "fields": 0,
        "cells": 0,
        "metadata": [],
        "pixel_size_um": given.pixel_size_um,
        "truth": False,
        "calibrated": calibrated,
        "details": settings.view.details,
        "steps": [f"step {step}" for step in steps],
        "group": settings.folds.group,
    }
