"""A folder of images as a data set of a run: its fields, and the entry of the configuration that names them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from puzzlecell.config.datasets import DatasetSettings
from puzzlecell.data.field_sources import FieldSources, RawDataset, field_sources
from puzzlecell.errors import UserError

DATASET = "images"
"""Name of the data set in the run."""
TABLE = "images.csv"
MOST_SHARDS = 1000


@dataclass(frozen=True)
class ImageFolder:
    """Images of fields.

    folder: absolute path of the folder, or of a table of images. names: how the files are named, in words. given: keys
    of the data set in the configuration that say so.
    """

    folder: Path
    sources: FieldSources
    names: str
    given: Mapping[str, Any]

    @property
    def ids(self) -> tuple[str, ...]:
        """IDs of the fields, in the order of the table of images, else sorted."""
        return self.sources.ids


def find_images(
    images: Path, naming: str | None = None, channels: Mapping[str, str | int | None] | None = None
) -> ImageFolder:
    """Find the fields in a folder, or in a table of images.

    images: a CSV, or a folder. A folder with a file `images.csv` is read as that table says, unless `naming` is given.
    naming, channels: as in the section of a data set. Raises UserError if no field is found, and for tables and
    patterns that cannot be used.
    """
    path = images.absolute()
    if path.is_dir() and naming is None and (path / TABLE).is_file():
        path = path / TABLE
    if not path.is_dir() and not (path.is_file() and path.suffix.lower() == ".csv"):
        raise UserError(
            f"{images}: there is no such folder; expected one with images, or a CSV that names them"
        )
    given: dict[str, Any] = {"images": str(path)}
    if naming is not None:
        given["naming"] = naming
    if channels:
        given["channels"] = dict(channels)
    try:
        settings = DatasetSettings(role="test", **given)
    except ValidationError as error:
        raise UserError(f"{images}: {error.errors()[0]['msg'].removeprefix('Value error, ')}") from error
    table = path if path.is_file() else None
    raw = RawDataset(
        path.parent if table else path, None, False, table, str(path.parent) if table else "", settings.layout
    )
    if table:
        names = f"as {path.name} says"
    else:
        called = ", ".join(
            f"{channel}: {name}" if channel != name else name
            for channel, name in settings.layout.names.items()
        )
        names = f"{settings.naming} with the channels {called}"
    return ImageFolder(path, field_sources(raw), names, given)


def dataset_entry(images: ImageFolder, pixel_size_um: float | None, shards: int) -> dict[str, Any]:
    """Entry of `datasets` for the images; pixel_size_um: None leaves it to the images."""
    size = {} if pixel_size_um is None else {"pixel_size_um": pixel_size_um}
    return {"role": "test", **images.given, **size, "shards": shards}


def shards_for(fields: int) -> int:
    """Number of shards: up to 16 of 10 fields or more, so that cores have work; beyond, one per 100 fields."""
    return min(MOST_SHARDS, max(math.ceil(fields / 100), min(16, math.ceil(fields / 10))))
