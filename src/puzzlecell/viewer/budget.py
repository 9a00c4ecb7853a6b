"""What the viewer will take on disk, from the tables of cells and a few pictures, before it is made."""

import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from puzzlecell.config.view import ViewSettings
from puzzlecell.data.tables import write_csv
from puzzlecell.runtime.progress import Progress, no_progress
from puzzlecell.viewer.cells import EnsembleRules, ShardFiles
from puzzlecell.viewer.shapes import field_outlines, packed
from puzzlecell.viewer.shard import ShardFacts, ShardView
from puzzlecell.viewer.sheets import PER_SHEET, sheet, webp

MEASURED_FIELDS = 4
"""Fields of a shard on whose outlines and pictures the sizes are measured."""
BASE64 = 4 / 3
"""Characters for a byte of a chunk."""
OF_CELL, OF_CLASS = 76, 2
"""Bytes of a cell in the chunk `cells`, without its probabilities and for each of them (see docs/file-formats.md)."""


@dataclass(frozen=True)
class Cost:
    """What a shard will have, and take in bytes."""

    fields: int = 0
    cells: int = 0
    pictures: int = 0
    field_pictures: int = 0
    probabilities: float = 0
    details: float = 0
    outlines: float = 0
    picture_bytes: float = 0
    field_picture_bytes: float = 0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(*(a + b for a, b in zip(vars(self).values(), vars(other).values(), strict=True)))

    @property
    def total(self) -> float:
        """Bytes in all."""
        return (
            self.probabilities + self.details + self.outlines + self.picture_bytes + self.field_picture_bytes
        )


def write_budget(
    path: str | os.PathLike,
    shards: Mapping[str, ShardFiles],
    rules: EnsembleRules,
    settings: ViewSettings,
    progress: Progress = no_progress,
) -> list[str]:
    """Write the budget as CSV: data set, number and megabytes of each kind of content. Returns it in words.

    shards: files of each shard by its name, such as `test/000`. Which cells get pictures is decided as in the viewer
    itself, so their numbers are exact; their sizes are measured on a few fields per shard.
    """
    counts = pd.Series([name.split("/")[0] for name in shards]).value_counts()
    costs: dict[str, Cost] = {}
    for done, (name, files) in enumerate(shards.items(), start=1):
        dataset = name.split("/")[0]
        view = ShardView(files, rules, settings, ShardFacts(int(counts[dataset])))
        costs[dataset] = costs.get(dataset, Cost()) + shard_cost(view)
        progress(done, len(shards))
    rows = [row for dataset, cost in costs.items() for row in _rows(dataset, cost)]
    every = sum(costs.values(), Cost())
    write_csv(path, pd.DataFrame([*rows, *_rows("all", every)], columns=["dataset", "kind", "number", "mb"]))
    return [
        *(budget_line(dataset, cost) for dataset, cost in costs.items()),
        *([budget_line("in all", every)] if len(costs) > 1 else []),
    ]


def shard_cost(view: ShardView) -> Cost:
    """Return what a shard will take."""
    fields, cells = len(view.ids), len(view.cells)
    chosen = view.picture_numbers > 0
    classes = len(view.rules.names)
    predictions = len(view.cells.steps) + len(view.cells.members)
    calibrated = 0 if view.cells.calibrated is None else OF_CLASS * classes + 4
    cost = Cost(
        fields=fields,
        cells=cells,
        pictures=int(chosen.sum()),
        field_pictures=int(view.field_pictures.sum()),
        probabilities=BASE64 * cells * (OF_CELL + OF_CLASS * classes + calibrated),
        details=BASE64 * cells * OF_CLASS * classes * predictions if view.settings.details else 0,
    )
    if not cells:
        return cost
    per_cell, per_picture, per_field = _measured(view)
    return replace(
        cost,
        outlines=cells * per_cell,
        picture_bytes=cost.pictures * per_picture,
        field_picture_bytes=cost.field_pictures * per_field,
    )


def _measured(view: ShardView) -> tuple[float, float, float]:
    """Bytes of the outlines of a cell, of the picture of a cell, and of that of a field: means over a few fields."""
    with_cells = np.unique(view.field_of_cell)
    places = with_cells[:: math.ceil(len(with_cells) / MEASURED_FIELDS)]
    rows = np.flatnonzero(np.isin(view.field_of_cell, places))
    # As many as in a sheet, spread over the fields.
    pictured = rows[:: math.ceil(len(rows) / PER_SHEET)]
    pictures = [picture for _, picture in view.cell_pictures(pictured)]
    outlines = sum(_outline_bytes(view, int(place)) for place in places) / len(rows)
    of_fields = [len(webp(view.field_picture(int(place)), view.settings.quality)) for place in places]
    return (
        outlines,
        len(webp(sheet(pictures), view.settings.quality)) / len(pictures),
        sum(of_fields) / len(of_fields),
    )


def _outline_bytes(view: ShardView, place: int) -> float:
    size = tuple(map(int, view.sizes[place]))
    columns: dict[str, np.ndarray] = {}
    for kind, name in (("cell", "cells"), ("nucleus", "nuclei")):
        drawn = field_outlines(view.masks.read(view.ids[place], name), size[0], size[1])
        columns |= packed(kind, list(drawn.values()))
    return BASE64 * sum(column.nbytes for column in columns.values())


def _rows(dataset: str, cost: Cost) -> Iterator[tuple[str, str, int, float]]:
    yield dataset, "probabilities of cells", cost.cells, cost.probabilities / 1e6
    yield dataset, "probabilities by step and member", cost.cells, cost.details / 1e6
    yield dataset, "outlines of cells", cost.cells, cost.outlines / 1e6
    yield dataset, "pictures of cells", cost.pictures, cost.picture_bytes / 1e6
    yield dataset, "pictures of fields", cost.field_pictures, cost.field_picture_bytes / 1e6
    yield dataset, "all", cost.cells, cost.total / 1e6


def budget_line(name: str, cost: Cost) -> str:
    """What a shard or data set will have and take, in words."""
    numbers = cost.probabilities + cost.details + cost.outlines
    return (
        f"{name}: {cost.cells:,} cells in {cost.fields:,} fields; pictures of {cost.pictures:,} cells "
        f"({cost.picture_bytes / 1e6:.1f} MB) and {cost.field_pictures:,} fields "
        f"({cost.field_picture_bytes / 1e6:.1f} MB), numbers and outlines ({numbers / 1e6:.1f} MB): "
        f"{cost.total / 1e6:.1f} MB"
    )
