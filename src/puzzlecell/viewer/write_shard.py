"""Writing the folder of a shard: its chunks, sheets of pictures of cells, and pictures of fields."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from puzzlecell.runtime.checksums import check_text, written_with_checksum
from puzzlecell.runtime.progress import Progress, no_progress
from puzzlecell.viewer.chunks import write_chunk
from puzzlecell.viewer.shard import ShardView
from puzzlecell.viewer.sheets import PER_SHEET, sheet, webp

FACTS = "shard.json"
"""File with the numbers of a shard, for the index."""
IN_MEMORY = 200_000_000
"""Bytes of pictures that are held at a time."""


def write_shard_view(
    folder: str | os.PathLike, view: ShardView, name: str, progress: Progress = no_progress
) -> None:
    """Write the folder of a shard, as a whole: what was in it before is removed first.

    name: such as `test/000`. The facts for the index are written last, so that half a folder is not taken for a whole.
    """
    folder = Path(folder)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    pictures, fields = int(view.picture_numbers.max(initial=0)), np.flatnonzero(view.field_pictures)
    total = pictures + len(fields)
    done = 0
    for number, content in sheets(view):
        (folder / f"sheet-{number:04d}.webp").write_bytes(content)
        done = min(pictures, done + PER_SHEET)
        progress(done, total)
    for place in fields.tolist():
        picture = view.field_picture(place)
        (folder / f"field-{place:04d}.webp").write_bytes(webp(picture, view.settings.quality))
        done += 1
        progress(done, total)
    for place, index in np.argwhere(view.shown_cams).tolist():
        content = view.cams.picture(view.ids[place], index)
        (folder / f"cam-{place:04d}-{index:02d}.webp").write_bytes(content)
    chunks = {"shapes": view.shapes_chunk, "cells": view.cells_chunk}
    if view.settings.details:
        chunks["details"] = view.details_chunk
    for chunk, made in chunks.items():
        write_chunk(folder / f"{chunk}.js", f"{name}/{chunk}", *made())
    size = sum(path.stat().st_size for path in folder.iterdir())
    with written_with_checksum(folder / FACTS, lines=False) as temporary:
        temporary.write_text(json.dumps(shard_facts(view, size)))


def shard_facts(view: ShardView, size: int) -> dict[str, Any]:
    """What the chunk `run` says of a shard. size: bytes of its folder."""
    return {
        "fields": len(view.ids),
        "cells": len(view.cells),
        "pictures": int(view.picture_numbers.max(initial=0)),
        "field_pictures": int(np.count_nonzero(view.field_pictures)),
        "bytes": size,
        "metadata": metadata_names(view),
        "truth": view.files.truth is not None,
    }


def metadata_names(view: ShardView) -> list[str]:
    """Names of the columns of metadata."""
    return [name for name in view.facts.metadata or {} if name != "ID"]


def read_facts(folder: str | os.PathLike) -> dict[str, Any]:
    """The `shard_facts` of the folder of a shard; DamagedFileError if they have changed."""
    check_text(Path(folder) / FACTS)
    return json.loads((Path(folder) / FACTS).read_text())


def sheets(view: ShardView) -> Iterator[tuple[int, bytes]]:
    """Number and content of each sheet of a shard.

    As many sheets are filled at a time as fit into memory, so that each field is read a few times at most.
    """
    rows = pictured_rows(view)
    at_once = PER_SHEET * max(1, IN_MEMORY // (PER_SHEET * 4 * view.settings.tile**2))
    for start in range(0, len(rows), at_once):
        pictures = _pictures(view, rows[start : start + at_once])
        for first in range(0, len(pictures), PER_SHEET):
            content = webp(sheet(list(pictures[first : first + PER_SHEET])), view.settings.quality)
            yield (start + first) // PER_SHEET, content


def one_sheet(view: ShardView, number: int) -> bytes | None:
    """Content of one sheet of a shard; None if there is no sheet of this number."""
    rows = pictured_rows(view)[number * PER_SHEET : (number + 1) * PER_SHEET]
    return webp(sheet(list(_pictures(view, rows))), view.settings.quality) if len(rows) else None


def pictured_rows(view: ShardView) -> np.ndarray:
    """Rows of the cells with pictures, in the order of the pictures."""
    numbers = view.picture_numbers
    rows = np.flatnonzero(numbers)
    return rows[np.argsort(numbers[rows])]


def _pictures(view: ShardView, rows: np.ndarray) -> np.ndarray:
    """Pictures of cells in their order: (k, tile, 4 * tile) uint8."""
    tile = view.settings.tile
    place_of = {int(row): place for place, row in enumerate(rows)}
    pictures = np.zeros((len(rows), tile, 4 * tile), np.uint8)
    for row, picture in view.cell_pictures(rows):
        pictures[place_of[row]] = picture
    return pictures
