"""Fields and cells of each data set: stated, from its tables or settings, or from earlier results."""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.parquet as pq
from pyarrow.lib import ArrowInvalid

from puzzlecell.config.datasets import DatasetSettings
from puzzlecell.config.messages import nearest
from puzzlecell.config.workflow import Configuration
from puzzlecell.data.field_sources import FieldSources, RawDataset, field_sources
from puzzlecell.data.fields import check_field
from puzzlecell.data.raw_files import shard_of
from puzzlecell.errors import UserError
from puzzlecell.planning.work import MEGA
from puzzlecell.simulate.field import field_id

CELLS = 20.0
"""Assumed number of cells per field where nothing is known."""
SAMPLE = 20
"""Fields of a data set whose files are looked at for their size."""


@dataclass(frozen=True)
class Stated:
    """What the user states about data that cannot be looked at yet.

    fields: number of fields by data set. cells: mean number of cells per field; None: `CELLS`. side: of a raw field, in
    pixels.
    """

    fields: Mapping[str, int] = field(default_factory=dict)
    cells: float | None = None
    side: int = 2048


@dataclass(frozen=True)
class DatasetSize:
    """Fields of each shard, cells per field, raw pixels per field in millions, and where the numbers come from."""

    shards: Sequence[float]
    cells: float
    megapixels: float
    fields_from: str
    cells_from: str

    @property
    def fields(self) -> float:
        """Number of fields."""
        return sum(self.shards)

    @property
    def side(self) -> float:
        """Side in pixels of a square raw field."""
        return math.sqrt(self.megapixels * MEGA)


def dataset_sizes(
    settings: Configuration, stated: Stated, results: str | os.PathLike = "results"
) -> dict[str, DatasetSize]:
    """Return the size of every data set whose number of fields is known.

    results: folder of a run whose cell tables tell how many cells a field has. Raises UserError if `stated` names a
    data set that is not in the configuration, and for a label table that cannot be used.
    """
    for name in stated.fields:
        if name not in settings.datasets:
            raise UserError(f"--fields: there is no data set {name!r}{nearest(name, settings.datasets)}")
    found = {}
    counted = {name: _cells_per_field(Path(results), name) for name in settings.datasets}
    every = [number for number in counted.values() if number is not None]
    for name, given in settings.datasets.items():
        ids, source, sources = _ids(name, given, stated)
        if ids is None:
            continue
        if isinstance(ids, int):
            shards: list[float] = [ids / given.shards] * given.shards
        else:
            shards = [0.0] * given.shards
            for one in ids:
                shards[shard_of(one, given.shards)] += 1
        cells, cells_from = counted[name], "cell tables"
        if cells is None and given.simulate is not None:
            cells, cells_from = sum(given.simulate.cells) / 2, "settings"
        elif cells is None and every:
            # Fields of the same run are more alike than any number stated beforehand.
            cells, cells_from = sum(every) / len(every), "other cell tables"
        elif cells is None:
            cells, cells_from = stated.cells or CELLS, "stated" if stated.cells else "assumed"
        found[name] = DatasetSize(shards, cells, _megapixels(given, sources, stated), source, cells_from)
    return found


def _ids(
    name: str, given: DatasetSettings, stated: Stated
) -> tuple[Sequence[str] | int | None, str, FieldSources | None]:
    """IDs or number of the fields of a data set, None if unknown, and the source; where its files are, if there are."""
    if name in stated.fields:
        return stated.fields[name], "stated", None
    if given.simulate is not None:
        ids = [field_id(name, index, given.simulate) for index in range(given.simulate.fields)]
        return ids, "settings", None
    dataset = _raw_dataset(name, given)
    if not Path(dataset.ids_from).exists():
        return None, "", None
    sources = field_sources(dataset)
    return sources.ids, str(dataset.ids_from), sources


def _raw_dataset(name: str, given: DatasetSettings) -> RawDataset:
    """Where the files of a data set are on this machine."""
    files = given.files(name)
    labels: str | None = files.labels
    if not given.labelled and given.labels is None and not Path(files.labels).exists():
        labels = None
    table = files.table if given.images is not None or Path(files.table or "").is_file() else None
    return RawDataset(
        files.images, labels, given.labelled, table, str(Path(table or "").parent), given.layout
    )


def _megapixels(given: DatasetSettings, sources: FieldSources | None, stated: Stated) -> float:
    """Mean number of pixels, in millions, of the raw fields; of a sample if their files are there."""
    if given.simulate is not None:
        return given.simulate.size**2 / MEGA
    sizes = []
    if sources is not None:
        for one in sources.ids[:: max(1, len(sources.ids) // SAMPLE)][:SAMPLE]:
            header, _ = check_field(sources, one)
            sizes += [header.height * header.width / MEGA] if header else []
    return sum(sizes) / len(sizes) if sizes else stated.side**2 / MEGA


def _cells_per_field(results: Path, name: str) -> float | None:
    """Cells per field with cells in the cell tables of a data set; None if there are none."""
    fields, cells = 0, 0
    for path in sorted((results / "masks" / name).glob("*.cells.parquet")):
        try:
            ids = pq.read_table(path, columns=["ID"]).column("ID")
        except (OSError, ArrowInvalid, KeyError):
            continue
        cells += len(ids)
        fields += len(ids.unique())
    return cells / fields if fields else None
