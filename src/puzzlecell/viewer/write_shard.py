"""Writing the folder of a shard: its chunks, sheets of pictures of cells, and pictures of fields."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from puzzlecell.runtime.atomic import written_whole
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
    chunks = {"shapes": view.shapes_chunk, "cells": view.cells_chunk}
    if view.settings.details:
        chunks["details"] = view.details_chunk
    for chunk, made in chunks.items():
        write_chunk(folder / f"{chunk}.js", f"{name}/{chunk}", *made())
    sizes = sum(path.stat().st_size for path in folder.iterdir())
    facts = {
        "fields": len(view.ids),
        "cells": len(view.cells),
        "pictures": pictures,
        "field_pictures": len(fields),
        "bytes": sizes,
        "metadata": [name for name in view.facts.metadata or {} if name != "ID"],
        "truth": view.files.truth is not None,
    }
    with written_whole(folder / FACTS) as temporary:
        temporary.write_text(json.dumps(facts))


def sheets(view: ShardView) -> Iterator[tuple[int, bytes]]:
    """Number and content of each sheet of a shard.

    As many sheets are filled at a time as fit into memory, so that each field is read a few times at most.
    """
    numbers, tile = view.picture_numbers, view.settings.tile
    rows = np.flatnonzero(numbers)
    rows = rows[np.argsort(numbers[rows])]
    at_once = PER_SHEET * max(1, IN_MEMORY // (PER_SHEET * 4 * tile * tile))
    for start in range(0, len(rows), at_once):
        part = rows[start : start + at_once]
        place_of = {int(row): place for place, row in enumerate(part)}
        pictures = np.zeros((len(part), tile, 4 * tile), np.uint8)
        for row, picture in view.cell_pictures(part):
            pictures[place_of[row]] = picture
        for first in range(0, len(part), PER_SHEET):
            content = webp(sheet(list(pictures[first : first + PER_SHEET])), view.settings.quality)
            yield (start + first) // PER_SHEET, content
