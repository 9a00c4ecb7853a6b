"""The image files in a folder that match a naming pattern, as fields.

Imports nothing heavy, because planning uses this module too.
"""

import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from puzzlecell.config.naming import Layout, expression, filled, folder_expressions, group_names
from puzzlecell.data.ids import id_problem
from puzzlecell.errors import UserError
from puzzlecell.runtime.bucket import is_url, listing
from puzzlecell.runtime.messages import first_lines
from puzzlecell.runtime.unchanged_files import folders_state

WHOLE = ""
"""In place of a channel's name, for files with all channels."""


class SourceError(UserError):
    """It is not clear which images belong to which field; the message says which files and what to change."""


@dataclass(frozen=True)
class Scan:
    """What a folder contains.

    files: for each ID, in sorted order, the path below the folder by name of the channel in the files (`WHOLE` if a
    file has all of them). metadata: for each ID, the values of the groups that are neither ID nor channel. others:
    files that do not match. folders: all folders that were looked into.
    """

    files: dict[str, dict[str, str]]
    metadata: dict[str, dict[str, str]]
    others: tuple[str, ...]
    folders: tuple[str, ...]


def scan(images: str, layout: Layout) -> Scan:
    """Find the files of all fields in a folder, also one in a bucket; the result is kept until a folder changes.

    Hidden files are left out, and folders that the pattern does not lead into. A folder that is missing or cannot be
    read counts as empty. Raises SourceError, naming the files, if two match one channel of a field, if the files of a
    field differ in a group that is not part of the ID, and if an ID is not allowed; BucketError.
    """
    if is_url(images):
        return _scan(images, layout)
    kept = _kept(images, layout)
    if not kept or kept[1] is None or folders_state(kept[0].folders) != kept[1]:
        started = time.time_ns()
        found = _scan(images, layout)
        kept[:] = [found, folders_state(found.folders, started)]
    return kept[0]


@lru_cache(maxsize=8)
def _kept(images: str, layout: Layout) -> list:
    """The latest scan and the state of its folders: an empty list at first."""
    return []


def metadata_names(layout: Layout) -> list[str]:
    """Groups of the pattern that become columns of the table of cells."""
    return [name for name in group_names(layout.naming) if name not in ("ID", "channel")]


def _scan(images: str, layout: Layout) -> Scan:
    match = re.compile(expression(layout.naming, layout.names)).fullmatch
    groups = group_names(layout.naming)
    form = _id_form(layout, groups)
    extra = metadata_names(layout)
    files: dict[str, dict[str, str]] = {}
    metadata: dict[str, dict[str, str]] = {}
    others: list[str] = []
    folders: list[str] = []
    problems: list[str] = []
    for path in sorted(_paths(images, layout.naming, folders)):
        found = match(path)
        if found is None:
            others.append(path)
            continue
        values = found.groupdict()
        field_id = form.format_map(values)
        channel = values.get("channel", WHOLE)
        own = files.setdefault(field_id, {})
        if channel in own:
            which = f"for {channel} of" if channel else "for"
            problems.append(f"two files {which} field {field_id}: {own[channel]} and {path}")
            continue
        known = metadata.setdefault(field_id, {name: values[name] for name in extra}) if extra else {}
        different = [name for name in extra if known[name] != values[name]]
        if different:
            first = next(iter(own.values()))
            problems.append(
                f"field {field_id} has {{{different[0]}}} {known[different[0]]} in {first} but "
                f"{values[different[0]]} in {path}; make it part of the ID, or write * in place of the group"
            )
        if not own and (wrong := id_problem(field_id)):
            problems.append(f"{path}: the ID {field_id!r} {wrong}")
        own[channel] = path
    if problems:
        raise SourceError(
            "\n".join([f"{images}: naming {layout.naming!r} is not clear:", *first_lines(problems, 10)])
        )
    ordered = sorted(files)
    return Scan({field_id: files[field_id] for field_id in ordered}, metadata, tuple(others), tuple(folders))


def _id_form(layout: Layout, groups: list[str]) -> str:
    """The form of an ID, for `str.format_map`."""
    if "ID" in groups:
        return "{ID}"
    given = layout.id_form or "_".join(f"{{{name}}}" for name in groups if name != "channel")
    return filled(given, lambda name: f"{{{name}}}")


def _paths(images: str, naming: str, folders: list[str]) -> Iterator[str]:
    """Paths of files below the folder, as deep as the pattern is. folders: gets the folders that were looked into."""
    inner = [re.compile(text).fullmatch for text in folder_expressions(naming)]
    if is_url(images):
        if inner:
            raise SourceError(
                f"{images}: naming {naming!r} has folders, which are not looked into in a bucket; put all images into "
                "one folder, or name them in an images.csv"
            )
        yield from (name for name in listing(images) if not name.startswith("."))
        return
    waiting = [""]
    for level in range(len(inner) + 1):
        following = []
        for below in waiting:
            folder = f"{images}/{below}".rstrip("/")
            folders.append(folder)
            try:
                with os.scandir(folder) as entries:
                    for entry in entries:
                        if entry.name.startswith("."):
                            continue
                        if level == len(inner):
                            yield below + entry.name
                        elif inner[level](entry.name) and entry.is_dir():
                            following.append(f"{below}{entry.name}/")
            except (OSError, ValueError):
                continue
        waiting = following
