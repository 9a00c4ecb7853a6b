"""A folder of images as a data set of a run: its fields, and the entry of the configuration that names them."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from puzzlecell.data.ids import id_problem
from puzzlecell.data.raw_files import CHANNELS
from puzzlecell.errors import UserError
from puzzlecell.runtime.atomic import written_whole

DATASET = "images"
"""Name of the data set in the run."""
NAMING = "{ID}_{channel}.png"
MOST_SHARDS = 1000


@dataclass(frozen=True)
class ImageFolder:
    """Fields found in a folder.

    folder: absolute path. ids: sorted. incomplete: of these, the number that lack a channel.
    """

    folder: Path
    ids: tuple[str, ...]
    incomplete: int


def find_images(folder: Path) -> ImageFolder:
    """Find the fields in a folder, whose files are named `<ID>_<channel>.png`.

    Raises UserError if it is no folder, has no such files, or has an ID that cannot be used.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: there is no such folder; expected one with images named {NAMING}")
    channels: dict[str, set[str]] = {}
    others = []
    for path in folder.iterdir():
        field_id, separator, rest = path.name.rpartition("_")
        channel, _, suffix = rest.partition(".")
        if separator and channel in CHANNELS and suffix == "png":
            channels.setdefault(field_id, set()).add(channel)
        elif not path.name.startswith("."):
            others.append(path.name)
    if not channels:
        found = f"found others, such as {min(others)}" if others else "it is empty"
        raise UserError(
            f"{folder}: no images named {NAMING} with the channels {', '.join(CHANNELS)}; {found}"
        )
    for field_id in channels:
        if problem := id_problem(field_id):
            raise UserError(f"{folder}: the ID {field_id!r} {problem}; rename its images")
    incomplete = sum(len(found) < len(CHANNELS) for found in channels.values())
    return ImageFolder(folder.absolute(), tuple(sorted(channels)), incomplete)


def dataset_entry(images: ImageFolder, pixel_size_um: float, shards: int) -> dict[str, Any]:
    """Entry of `datasets` for the images, which `declare_images` makes true in the folder of the run."""
    return {"role": "test", "pixel_size_um": pixel_size_um, "shards": shards}


def declare_images(images: ImageFolder, output: Path) -> None:
    """Write what the entry of the data set refers to: `data/images`, with a link to the images and the table of IDs.

    The table is left alone if it is right, so that nothing is rebuilt.
    """
    home = output / "data" / DATASET
    home.mkdir(parents=True, exist_ok=True)
    link = home / "images"
    if link.is_symlink() and link.readlink() != images.folder:
        link.unlink()
    if not link.is_symlink():
        if link.exists():
            raise UserError(
                f"{link}: is to be a link to the images, but exists; remove it or choose another output"
            )
        link.symlink_to(images.folder, target_is_directory=True)
    table, text = home / "labels.csv", "\n".join(["ID", *images.ids, ""])
    if not table.is_file() or table.read_text(encoding="utf-8") != text:
        with written_whole(table) as temporary:
            temporary.write_text(text, encoding="utf-8")


def shards_for(fields: int) -> int:
    """Number of shards: up to 16 of 10 fields or more, so that cores have work; beyond, one per 100 fields."""
    return min(MOST_SHARDS, max(math.ceil(fields / 100), min(16, math.ceil(fields / 10))))
