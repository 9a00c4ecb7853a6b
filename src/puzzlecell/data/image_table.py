"""The table `images.csv`, which names the images of each field.

Imports nothing heavy, because planning uses this module too.
"""

import math
import os
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from puzzlecell.config.naming import CHANNELS, ChannelPlace
from puzzlecell.data.ids import check_ids
from puzzlecell.data.image_plane import ImagePlane
from puzzlecell.data.text_tables import TableError, listed, quoted, read_text_columns
from puzzlecell.runtime.bucket import is_url
from puzzlecell.runtime.messages import first_few
from puzzlecell.runtime.unchanged_files import kept_while_unchanged

PIXEL_SIZE = "pixel_size_um"
LARGEST_PIXEL_UM = 100
RESERVED = (
    *("ID", "cell", "area_px", "centroid_y", "centroid_x", "y0", "x0", "y1", "x1", "touches_border"),
    *(
        "nucleus_area_px",
        "border_quality",
        "outlier_quality",
        "unlike_training",
        "unlike_training_field",
        "calls",
    ),
)
"""Columns of the table of cells, which metadata cannot be called. Neither can they be called p00, c00 and so on."""

_PART = re.compile(r"#((?:page|channel)=[^/]*)\Z").search
_NUMBER = re.compile(r"(page|channel)=([0-9]{1,6})").fullmatch
_PROBABILITY = re.compile(r"p[0-9]+|c[0-9]{2,}").fullmatch


@dataclass(frozen=True)
class ImageTable:
    """The table as texts. rows: place of each ID. columns: without `ID`. folder: what relative paths begin with."""

    ids: tuple[str, ...]
    rows: Mapping[str, int]
    columns: Mapping[str, Sequence[str]]
    metadata: tuple[str, ...]
    folder: str
    names: Mapping[str, str]

    def planes(self, field_id: str) -> dict[str, ImagePlane]:
        """Images of the channels that have a column, by channel."""
        row = self.rows[field_id]
        return {channel: _plane(self.folder, self.columns[name][row]) for channel, name in self.names.items()}

    def pixel_size(self, field_id: str) -> float | None:
        """Pixel size of a field in micrometres; None if the table has none for it."""
        text = self.columns[PIXEL_SIZE][self.rows[field_id]] if PIXEL_SIZE in self.columns else ""
        return float(text) if text else None

    def metadata_of(self, field_id: str) -> dict[str, str]:
        """All other values of a field."""
        row = self.rows[field_id]
        return {name: self.columns[name][row] for name in self.metadata}


def read_image_table(
    path: str | os.PathLike, folder: str, channels: tuple[ChannelPlace | None, ...]
) -> ImageTable:
    """Read `ID`, the columns of the channels, `pixel_size_um` and metadata, kept until the file changes.

    folder: path or URL of the folder that relative paths of images start from. channels: red, green, blue and yellow,
    each with the name of its column. Raises TableError, naming the lines, for a table that `read_field_ids` refuses, a
    missing or superfluous column, a field without an image, and for images, pixel sizes and names of columns that are
    not possible.
    """
    return _read(path, folder, channels)


@kept_while_unchanged
def _read(path: Path, folder: str, channels: tuple[ChannelPlace | None, ...]) -> ImageTable:
    names = {
        channel: place.name
        for channel, place in zip(CHANNELS, channels, strict=True)
        if place is not None and place.same_as is None and place.name is not None
    }
    lines, columns = read_text_columns(path, ["ID"])
    ids = columns.pop("ID")
    check_ids(path, lines, ids)
    metadata = tuple(name for name in columns if name not in names.values() and name != PIXEL_SIZE)
    problems = list(_column_problems(metadata, channels, names))
    problems += _missing_columns(columns, names)
    there = {channel: name for channel, name in names.items() if name in columns}
    rows = [
        *_image_problems(lines, ids, columns, there, is_url(folder)),
        *_pixel_size_problems(lines, ids, columns.get(PIXEL_SIZE, ())),
    ]
    if problems or rows:
        shown = listed([f"{path}: {text}" for text in rows], path)
        raise TableError("\n".join([*(f"{path}: {text}" for text in problems), *shown]))
    return ImageTable(
        tuple(ids), {field_id: row for row, field_id in enumerate(ids)}, columns, metadata, folder, names
    )


def metadata_problem(name: str) -> str | None:
    """Return why a column of metadata cannot have this name, None if it can."""
    if name in RESERVED or _PROBABILITY(name):
        return f"{quoted(name)} is a column of the table of cells; metadata needs another name"
    return None


def _column_problems(
    metadata: Sequence[str], channels: tuple[ChannelPlace | None, ...], names: Mapping[str, str]
) -> Iterator[str]:
    for channel, place in zip(CHANNELS, channels, strict=True):
        if (
            place is not None
            and place.same_as is None
            and (place.name is None or place.page is not None or place.channel is not None)
        ):
            yield (
                f"channels.{channel} is a number, but in a table of images it must be the name of a column; a page or "
                "a channel of a file is written behind its path, as in stack.tif#page=2 or stack.tif#channel=1"
            )
        if channel in metadata and channel not in names:
            yield f"there is a column {channel}, but channels.{channel} says that there are no such images; remove one"
    known = {name.lower(): name for name in ("ID", PIXEL_SIZE, *names.values())}
    for name in metadata:
        problem = metadata_problem(name)
        if problem:
            yield f"the column {problem}"
        elif name.lower() in known:
            yield f"there is a column {quoted(name)}; write {known[name.lower()]} exactly so"


def _missing_columns(columns: Iterable[str], names: Mapping[str, str]) -> Iterator[str]:
    for channel, name in names.items():
        if name not in columns:
            yield (
                f"column {name} is missing; found {first_few(map(quoted, ['ID', *columns]), 12)}; if there are no such "
                f"images, set channels.{channel} of the data set to null (black) or {{same_as: ...}}"
            )


def _image_problems(
    lines: Sequence[int],
    ids: Sequence[str],
    columns: Mapping[str, Sequence[str]],
    names: Mapping[str, str],
    in_bucket: bool,
) -> Iterator[str]:
    problem = partial(_entry_problem, in_bucket=in_bucket)
    for row, (line, field_id) in enumerate(zip(lines, ids, strict=True)):
        seen: dict[str, str] = {}
        parted: set[str] = set()
        for channel, name in names.items():
            entry = columns[name][row]
            found = problem(entry)
            if found:
                yield f"line {line}: field {field_id}: {name}: {found}"
                continue
            place = _one_way(entry)
            part = _PART(place)
            whole = place[: part.start()] if part else place
            if whole in (seen if part else parted):
                yield (
                    f"line {line}: field {field_id}: {name}: {quoted(whole)} is here with and without a page or "
                    "channel; name it in all columns"
                )
            elif place in seen:
                yield (
                    f"line {line}: field {field_id} has the same image for {seen[place]} and {name}; if this is meant, "
                    f"set channels.{channel}: {{same_as: ...}} in the configuration and remove the column"
                )
            seen.setdefault(place, name)
            if part:
                parted.add(whole)


def _one_way(entry: str) -> str:
    """The place of an image, written in one way: `./a.tif` is `a.tif`, and pages come before channels."""
    # Nearly all are written so already.
    if "./" not in entry and "//" not in entry and "&" not in entry:
        return entry
    part = _PART(entry)
    path = entry[: part.start()] if part else entry
    numbers = f"#{'&'.join(sorted(part[1].split('&'), reverse=True))}" if part else ""
    return f"{path if is_url(path) else posixpath.normpath(path)}{numbers}"


def _entry_problem(entry: str, in_bucket: bool) -> str | None:
    """What is wrong with the place of an image."""
    if not entry.strip():
        return (
            "no image; for a channel that does not exist, set it to null or {same_as: ...} in `channels` of the "
            "configuration and remove the column"
        )
    part = _PART(entry)
    if part:
        pieces = part[1].split("&")
        if not all(map(_NUMBER, pieces)) or len({piece.split("=")[0] for piece in pieces}) < len(pieces):
            return (
                f"{quoted(entry)}: expected a number from 0, as in stack.tif#page=2, stack.tif#channel=1 or "
                "stack.tif#page=2&channel=1"
            )
    if is_url(entry) != in_bucket and (is_url(entry) or entry.startswith("/")):
        where = ("on this machine", "in a bucket")
        return f"{quoted(entry)} is {where[not in_bucket]}, but the table is {where[in_bucket]}"
    return None


def _pixel_size_problems(lines: Sequence[int], ids: Sequence[str], texts: Sequence[str]) -> Iterator[str]:
    for line, field_id, text in zip(lines, ids, texts, strict=bool(texts)):
        if text and not _is_pixel_size(text):
            yield (
                f"line {line}: field {field_id} has {PIXEL_SIZE} {quoted(text)}; expected micrometres, more than 0 and "
                f"at most {LARGEST_PIXEL_UM}, such as 0.08, or nothing"
            )


def _is_pixel_size(text: str) -> bool:
    try:
        return "_" not in text and math.isfinite(float(text)) and 0 < float(text) <= LARGEST_PIXEL_UM
    except ValueError:
        return False


def _plane(folder: str, entry: str) -> ImagePlane:
    part = _PART(entry)
    path = entry[: part.start()] if part else entry
    numbers = (
        {name: int(text) for name, text in (piece.split("=") for piece in part[1].split("&"))} if part else {}
    )
    # An absolute path stays as it is.
    path = path if is_url(path) else posixpath.join(folder, path)
    return ImagePlane(path, **numbers)
