"""The images of a user as a data set of a run: its fields, and the entry of the configuration that names them."""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from puzzlecell.config.datasets import DatasetSettings
from puzzlecell.config.naming import Layout
from puzzlecell.data.field_sources import FieldSources, RawDataset, field_sources
from puzzlecell.data.file_scan import Scan, scan
from puzzlecell.data.raw_files import IMAGE_ENDINGS
from puzzlecell.errors import UserError
from puzzlecell.runtime.messages import first_few

DATASET = "images"
"""Name of the data set in the run."""
TABLE = "images.csv"
MOST_SHARDS = 1000


class NoImagesError(UserError):
    """A folder without a field whose images are all there under the names that are expected."""


@dataclass(frozen=True)
class Names:
    """What is known about the names of the files, as in `datasets.<ds>`.

    naming: None: the default pattern, or a table of images if there is one. origin: where it is known from, in words.
    """

    naming: str | None = None
    id_form: str | None = None
    channels: Mapping[str, Any] = field(default_factory=dict)
    origin: str = ""


@dataclass(frozen=True)
class OwnImages:
    """Fields that were found.

    where: absolute path of the folder or of the table of images. entry: keys of `datasets.<ds>` that name them.
    sources: of all fields. incomplete: number of fields that lack an image. left_out: images of other names. origin:
    where the names are known from, in words.
    """

    where: Path
    entry: Mapping[str, Any]
    sources: FieldSources
    incomplete: int = 0
    left_out: tuple[str, ...] = ()
    origin: str = ""

    @property
    def layout(self) -> Layout:
        """How the images are named."""
        return self.sources.dataset.layout

    @property
    def stated_um(self) -> dict[str, float]:
        """Pixel sizes in micrometres by ID, as far as the table of images gives them."""
        if self.sources.table is None:
            return {}
        sizes = {field_id: self.sources[field_id].pixel_size_um for field_id in self.sources.ids}
        return {field_id: size for field_id, size in sizes.items() if size is not None}


def table_of(images: Path, names: Names) -> Path | None:
    """The table of images that is given, or that lies in the folder and is not overruled by a pattern; else None."""
    if images.suffix.lower() == ".csv" and not images.is_dir():
        return images
    return images / TABLE if names.naming is None and (images / TABLE).is_file() else None


def find_images(images: Path, names: Names) -> OwnImages:
    """Find the fields of a folder or of a table of images.

    Raises NoImagesError if no field in the folder is complete; UserError if there is no such folder, or if it is not
    clear which file is what; ValidationError (of pydantic) for names that are not possible.
    """
    table = table_of(images, names)
    if table is None and not images.is_dir():
        raise UserError(f"{images}: there is no such folder; expected one with images, or a table {TABLE}")
    if table is not None and not table.is_file():
        raise UserError(f"{table}: there is no such table of images")
    where = (table or images).absolute()
    entry: dict[str, Any] = {"images": str(where)}
    entry |= {"naming": names.naming} if names.naming is not None else {}
    entry |= {"ID": names.id_form} if names.id_form is not None else {}
    entry |= {"channels": dict(names.channels)} if names.channels else {}
    layout = DatasetSettings(role="test", **entry).layout
    if table is not None:
        dataset = RawDataset(where.parent, None, False, where, str(where.parent), layout)
        return OwnImages(where, entry, field_sources(dataset), origin=names.origin)
    found = scan(str(where), layout)
    expected = len(set(layout.names.values())) or 1
    incomplete = sum(len(files) < expected for files in found.files.values())
    if incomplete == len(found.files):
        raise NoImagesError(_no_images(images, layout, found))
    left_out = tuple(path for path in found.others if path.lower().endswith(IMAGE_ENDINGS))
    sources = field_sources(RawDataset(where, None, False, layout=layout))
    return OwnImages(where, entry, sources, incomplete, left_out, names.origin)


def _no_images(images: Path, layout: Layout, found: Scan) -> str:
    names = first_few(layout.names.values())
    expected = f"{layout.naming}{f' with the channels {names}' if names else ''}"
    if found.files:
        field_id, files = next(iter(found.files.items()))
        return (
            f"{images}: no field has all its images, named {expected}; field {field_id} has "
            f"{first_few(files.values(), 4)} only"
        )
    others = f"found others, such as {first_few(found.others, 2)}" if found.others else "it is empty"
    return f"{images}: no images named {expected}; {others}"


def shards_for(fields: int) -> int:
    """Number of shards: up to 16 of 10 fields or more, so that cores have work; beyond, one per 100 fields."""
    return min(MOST_SHARDS, max(math.ceil(fields / 100), min(16, math.ceil(fields / 10))))


def described_names(images: OwnImages) -> str:
    """How the images are named and what the channels are in them, in words."""
    layout, places = images.layout, []
    for channel, place in zip(("red", "green", "blue", "yellow"), layout.channels, strict=True):
        if place is None:
            places.append(f"{channel}: black")
        elif place.same_as is not None:
            places.append(f"{channel}: the images of {place.same_as}")
        else:
            parts = [place.name, *(f"{key} {getattr(place, key)}" for key in ("page", "channel"))]
            shown = " ".join(part for part in parts if part and not part.endswith(" None"))
            places.append(channel if shown == channel else f"{channel}: {shown}")
    of_table = images.sources.table is not None
    pattern = f"columns of {os.path.basename(images.where)}" if of_table else layout.naming  # noqa: PTH119
    return f"{pattern}; {', '.join(places)}{f' ({images.origin})' if images.origin else ''}"
