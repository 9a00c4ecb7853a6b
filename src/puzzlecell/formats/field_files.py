"""One file per field: fields and their cells, shard by shard, spread over processes."""

import os
import shutil
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from itertools import starmap
from pathlib import Path

import numpy as np
import pandas as pd

from puzzlecell.data.outlines import outlines
from puzzlecell.data.store import ShardReader
from puzzlecell.formats.answer import opened_answer
from puzzlecell.formats.answer_columns import AnswerColumns
from puzzlecell.formats.file_names import safe_name
from puzzlecell.formats.polygons import Polygon, polygons
from puzzlecell.runtime.atomic import written_whole
from puzzlecell.runtime.orphans import end_with_parent
from puzzlecell.runtime.progress import Progress

AnyPath = str | os.PathLike


@dataclass(frozen=True)
class FieldCells:
    """The cells of a field.

    cells: rows of the table of cells. outlines, nuclei: polygons of each cell and nucleus by number, in pixels of the
    raw field, (0, 0) being the outer corner of its first pixel; a nucleus may be missing.
    """

    field_id: str
    cells: pd.DataFrame
    outlines: dict[int, list[Polygon]]
    nuclei: dict[int, list[Polygon]]


Writer = Callable[[FieldCells, AnswerColumns], bytes]
"""Content of the file of a field; a function that can be sent to another process."""


@dataclass(frozen=True)
class FileKind:
    """The files of a format: their content, and what their names end in."""

    writer: Writer
    ending: str


def export_fields(
    folder: AnyPath,
    answer_path: AnyPath,
    *,
    masks: Sequence[AnyPath],
    cell_tables: Sequence[AnyPath],
    classes: int,
    kind: FileKind,
    threads: int,
    progress: Progress,
) -> None:
    """Write `<folder>/<safe_name(ID)><kind.ending>` for every field with masks, also for those without cells.

    masks, cell_tables: one per shard. classes: their number. threads: number of processes. Files that were in the
    folder are removed first. Raises UserError if the tables are of other cells, and the errors of `read_parquet`.
    """
    folder = Path(folder)
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    with opened_answer(answer_path, classes) as answer:
        shards = zip(masks, answer.shards(cell_tables), strict=True)
        work = ((path, part, answer.columns, folder, kind) for path, part in shards)
        written = starmap(_write_shard, work) if threads == 1 else _spread(work, threads)
        for number, _ in enumerate(written, start=1):
            progress(number, len(masks), "shards")


def _spread(work: Iterator[tuple], processes: int) -> Iterator[None]:
    """Call `_write_shard` in processes; only a few shards are in memory at a time."""
    waiting: deque[Future] = deque()
    with ProcessPoolExecutor(processes, initializer=end_with_parent) as pool:
        for one in work:
            waiting.append(pool.submit(_write_shard, *one))
            if len(waiting) > processes:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _write_shard(
    masks: AnyPath, part: pd.DataFrame, columns: AnswerColumns, folder: Path, kind: FileKind
) -> None:
    by_field = {str(field_id): rows for field_id, rows in part.groupby("ID", sort=False)}
    for field in _fields(ShardReader([masks]), by_field, part.iloc[:0]):
        content = kind.writer(field, columns)
        # Half a million files are not flushed one by one: the job is done only when all are written.
        with written_whole(folder / f"{safe_name(field.field_id)}{kind.ending}", durable=False) as temporary:
            temporary.write_bytes(content)


def _fields(reader: ShardReader, cells: dict[str, pd.DataFrame], none: pd.DataFrame) -> Iterator[FieldCells]:
    for field_id in reader.ids:
        found = [
            _polygons(reader.read(field_id, name), *reader.size(field_id)) for name in ("cells", "nuclei")
        ]
        yield FieldCells(field_id, cells.get(field_id, none), found[0], found[1])


def _polygons(labels: np.ndarray, height: int, width: int) -> dict[int, list[Polygon]]:
    found = {number: polygons(rings) for number, rings in outlines(labels, height, width).items()}
    return {number: parts for number, parts in found.items() if parts}
