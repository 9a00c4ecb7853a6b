"""A view of a made-up run: the files that `snakemake view` writes, without a run, from a few cells to a million."""

import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from helpers.made_up_pictures import write_pictures
from helpers.made_up_shard import HEIGHT, POINTS, SCALE, WIDTH, Layout, Shard
from helpers.paths import ROOT

from puzzlecell.formats.class_colours import css_colours
from puzzlecell.viewer.chunks import write_chunk

PAGE = ROOT / "src/puzzlecell/viewer/page"
CLASSES = (
    "Nucleoplasm",
    "Nuclear membrane",
    "Nucleoli",
    "Nuclear speckles",
    "Golgi apparatus",
    "Intermediate filaments",
    "Actin filaments",
    "Microtubules",
    "Mitotic spindle",
    "Mitochondria",
    "Cytosol",
    "Negative",
)
HOSTILE_CLASSES = (
    '<img src=x onerror="window.hacked=1">',
    '"><script>window.hacked=1</script>',
    "</script><script>window.hacked=1</script>",
    "'; window.hacked=1; //",
    "${window.hacked=1}{{window.hacked=1}}",
    "javascript:window.hacked=1",
    '" onmouseover="window.hacked=1" onfocus="window.hacked=1" autofocus="',
    "<svg onload=window.hacked=1>",
    "=HYPERLINK(1)",
    "&lt;b&gt; & \u202eright to left",
    "__proto__",
    "Negative",
)
HOSTILE_IDS = (
    "<img src=x onerror=window.hacked=1>",
    "\"'><script>window.hacked=1</script>",
    "a&b=c?d#e/f%20g+h",
    "=1+1",
    "constructor",
    "\u202etxet",
)


@dataclass
class MadeUpView:
    """The folder of a view, and its cells as one table.

    cells: a row per cell: `dataset, shard, ID, cell, field_height, field_width, y0, x0, y1, x1, centroid_y, centroid_x,
    area_px, nucleus_area_px, quality, touches_border, unlike, order, picked, picture, truth` (bit mask, -1 unknown),
    the metadata columns, then per class c `p<c>` (ensemble), `calibrated<c>` (NaN without), `step1_<c>`, `step2_<c>`.
    Values are those of the files, so they agree with the pages to the last digit. None for a view that keeps no table.
    """

    folder: Path
    classes: tuple[str, ...]
    cells: pd.DataFrame | None
    pictures: int = 0
    layouts: tuple[Layout, ...] = ()


SMALL = (
    Layout("test", "test", shards=2, calibrated=True, fields=9, cells=(0, 16), pictures=1),
    Layout("holdout", "holdout", truth=True, wells=False, fields=8, pictures=1),
)


def million(cells: int = 1_000_000, fields: int = 50_000, shards: int = 40) -> tuple[Layout, ...]:
    """A data set of `cells` cells; pictures as many as the default configuration makes."""
    each = round(cells / fields)
    return (
        Layout(
            "test",
            "test",
            shards=shards,
            fields=fields // shards,
            cells=(each, each),
            pictures=math.ceil(500 / shards),
            sample=math.ceil(2000 / shards),
            field_pictures=math.ceil(2000 / shards),
            cams=0,
        ),
    )


def write_view(
    folder: Path,
    layouts: Sequence[Layout] = SMALL,
    classes: Sequence[str] = CLASSES,
    ids: Sequence[str] = (),
    *,
    seed: int = 1,
    tile: int = 64,
    distinct: int | None = None,
    keep: bool = True,
) -> MadeUpView:
    """Write a view and return it.

    ids: names of the first fields of each data set in place of made-up ones. distinct: sheets of a shard that are
    drawn; further ones are copies (None: every cell is drawn). keep: return the table of all cells.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(PAGE, folder, dirs_exist_ok=True)
    pictures = {"tile": tile, "per_sheet": 32, "field_tile": 4 * tile}
    tables, described = [], []
    for made, layout in enumerate(layouts):
        shards = []
        for number in range(layout.shards):
            random = np.random.default_rng([seed, made, number])
            shard = Shard(layout, number, classes, () if number else ids, random)
            target = folder / "data" / layout.name / f"{number:03d}"
            _write_shard(shard, target, pictures, distinct)
            if keep:
                tables.append(shard.table())
            size = sum(file.stat().st_size for file in target.iterdir())
            entry = {"name": f"{number:03d}", "fields": layout.fields, "cells": shard.n}
            shards.append({**entry, "pictures": int((shard.picture > 0).sum()), "bytes": size})
        described.append(_described(layout, shards))
    run = {
        "format": 1,
        "version": "0.1.0",
        "classes": list(classes),
        "colours": css_colours(classes, classes[-1]),
        "negative": len(classes) - 1,
        "pictures": pictures,
        "datasets": described,
        "thresholds": [round(0.3 + 0.02 * c, 2) for c in range(len(classes))],
        "summary": {},
        "grading": {},
    }
    write_chunk(folder / "data/run.js", "run", run, {})
    total = sum(shard["pictures"] for dataset in described for shard in dataset["shards"])
    return MadeUpView(folder, tuple(classes), pd.concat(tables) if keep else None, total, tuple(layouts))


def _described(layout: Layout, shards: list[dict]) -> dict:
    return {
        "name": layout.name,
        "role": layout.role,
        "shards": shards,
        "fields": sum(shard["fields"] for shard in shards),
        "cells": sum(shard["cells"] for shard in shards),
        "metadata": ["well", "antibody"] if layout.wells else [],
        "pixel_size_um": 0.32,
        "truth": layout.truth,
        "calibrated": layout.calibrated,
        "steps": ["step 1", "step 2"],
        "group": "^(.+)_[0-9]+$",
    }


def _write_shard(shard: Shard, target: Path, pictures: dict, distinct: int | None) -> None:
    target.mkdir(parents=True, exist_ok=True)
    name = f"{shard.layout.name}/{shard.number:03d}"
    with_cams = np.where(np.arange(shard.f) < shard.layout.cams, 0b111, 0).astype(np.uint32)
    metadata = shard.metadata()
    columns = {
        "height": np.full(shard.f, HEIGHT, np.uint32),
        "width": np.full(shard.f, WIDTH, np.uint32),
        "pixel_size_um": np.full(shard.f, 0.32, np.float32),
        "field_picture": (np.arange(shard.f) < shard.layout.field_pictures).astype(np.uint8),
        "black": np.full((shard.f, 4), 4, np.uint8),
        "white": np.full((shard.f, 4), 220, np.uint8),
        "field_unlike": np.full(shard.f, np.nan, np.float32),
        "cams": with_cams,
        **{f"metadata.{key}": codes for key, (_, codes) in metadata.items()},
        "field": shard.field,
        "cell": shard.cell.astype(np.uint32),
        **{key: np.ascontiguousarray(shard.box[:, i]) for i, key in enumerate(("y0", "x0", "y1", "x1"))},
        "centroid": shard.middle.astype(np.float32),
        "area": np.round(np.pi * shard.radius**2).astype(np.uint32),
        "nucleus_area": np.round(np.pi * shard.nucleus**2).astype(np.uint32),
        "quality": shard.quality,
        "touches_border": shard.border,
        "scores": shard.scores,
        "truth": shard.truth,
        "known": shard.known.astype(np.uint8),
        "disagree": shard.disagree,
        "unlike": shard.unlike,
        "order": shard.order,
        "picked": shard.picked,
        "picture": shard.picture,
        "crop": shard.crop,
    }
    if shard.layout.calibrated:
        columns |= {"calibrated": shard.calibrated, "calls": shard.calls}
    content = {
        "ids": shard.ids,
        "metadata": {key: {"values": values} for key, (values, _) in metadata.items()},
    }
    write_chunk(target / "cells.js", f"{name}/cells", content, columns)
    _write_details(shard, target, name)
    _write_shapes(shard, target, name)
    write_pictures(shard, target, pictures, distinct)


def _write_details(shard: Shard, target, name):
    of_member = [("lite0", "stage2", 1), ("lite0", "stage3", 1), ("lite0", "stage3", 2)]
    predictions = [
        {"name": f"step {step}", "step": step, "model": None, "stage": None, "weight": None}
        for step in (1, 2)
    ]
    predictions += [
        {
            "name": f"step {step}, {model} {stage}",
            "step": step,
            "model": model,
            "stage": stage,
            "weight": 1.0,
        }
        for model, stage, step in of_member
    ]
    content = {"predictions": predictions, "unlike_in": {}}
    write_chunk(
        target / "details.js",
        f"{name}/details",
        content,
        {"scores": np.stack([*shard.steps, *shard.members])},
    )


def _write_shapes(shard: Shard, target, name):
    rings, points = (
        np.arange(shard.n + 1, dtype=np.uint32),
        np.arange(shard.n + 1, dtype=np.uint32) * POINTS,
    )
    columns = {}
    for kind, outline in (("cell", shard.outline), ("nucleus", shard.nucleus_outline)):
        columns[f"{kind}_rings"] = rings
        columns[f"{kind}_points"] = points.astype(np.uint32)
        columns[f"{kind}_xy"] = np.round(outline.reshape(-1, 2) * SCALE).astype(np.uint16)
    write_chunk(target / "shapes.js", f"{name}/shapes", {"scale": SCALE}, columns)


def hostile() -> tuple[Layout, ...]:
    """Layout of a view whose IDs and class names try to get into the page."""
    return tuple(replace(layout, fields=len(HOSTILE_IDS) + 1) for layout in SMALL)
