"""Checks of all data sets before anything is computed."""

import math
import os
import stat
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path

import numpy as np

from puzzlecell.config.labels import WithoutClass
from puzzlecell.config.naming import DEFAULT_NAMING, filled, group_names
from puzzlecell.data import fields
from puzzlecell.data.field_sources import FieldSource, FieldSources, RawDataset, field_sources
from puzzlecell.data.fields import check_field
from puzzlecell.data.file_scan import SourceError, scan
from puzzlecell.data.image_file import Header
from puzzlecell.data.image_plane import ImagePlane
from puzzlecell.data.image_sizes import size_mismatch, table_sizes
from puzzlecell.data.labels import LabelError, read_ids, read_labels
from puzzlecell.data.remembered import Memory, remembered
from puzzlecell.runtime.bucket import entry, is_url, listing
from puzzlecell.runtime.code_digest import code_digest
from puzzlecell.runtime.messages import first_few, first_lines

IN_BUCKET = 100
"""Fields per data set in a bucket whose headers are read."""


def dataset_problems(
    datasets: Mapping[str, RawDataset],
    classes: Sequence[str],
    max_rejected: float,
    threads: int = 1,
    *,
    max_megapixels: float | None = None,
    sample: int | None = None,
    memory: str | os.PathLike | None = None,
    without_class: WithoutClass = "error",
) -> list[str]:
    """Return every problem found in the tables and image headers of all data sets; no image is decoded.

    Problems are unusable tables, files that cannot be assigned to fields, IDs that occur in two data sets, missing
    folders of images, damaged fields, if they exceed the fraction `max_rejected` of their data set, and sizes in the
    table of a test set that its images do not have. A field is damaged if an image is missing, cut off, larger than
    `max_megapixels` or of another format, size or depth than the others.

    sample: number of fields per data set, evenly spaced in its table, whose headers are read; None reads all. Of a data
    set in a bucket, the headers of at most 100 fields are read, and the names of all files are compared with the list
    of their folder. memory: folder where the headers of good fields are kept for the next check
    (`puzzlecell.data.remembered`), in a file per data set; None keeps none. without_class: see `read_labels`. Raises
    DiskFullError.
    """
    problems: list[str] = []
    owner: dict[str, str] = {}
    sizes: dict[str, dict[str, tuple[int, int]]] = {}
    known: dict[str, FieldSources] = {}
    for name, dataset in datasets.items():
        try:
            if dataset.labelled and dataset.labels is not None:
                read_labels(dataset.labels, classes, without_class)
            elif dataset.labels is not None:
                sizes[name] = table_sizes(dataset.labels, read_ids(dataset.labels)) or {}
        except LabelError as error:
            problems += str(error).splitlines()
        no_folder = _folder_problem(dataset)
        try:
            known[name] = sources = field_sources(dataset)
        except (LabelError, SourceError) as error:
            if not (no_folder and isinstance(error, SourceError)):
                problems += str(error).splitlines()
            continue
        finally:
            problems += [no_folder] if no_folder else []
        for field_id in sources.ids:
            if field_id in owner:
                problems.append(f"{dataset.ids_from}: ID {field_id} is also in data set {owner[field_id]}")
            owner.setdefault(field_id, name)
        if no_folder:
            del known[name]
    for name, sources in known.items():
        ids = [field_id for field_id in sources.ids if owner[field_id] == name]
        checked: Sequence[str] = ids
        if is_url(sources.dataset.images):
            headers, damaged = _check_in_bucket(sources, ids, max_megapixels, threads)
        else:
            checked = _spread(ids, sample)
            kept_in = None if memory is None else Path(memory, name)
            headers, damaged = _check_fields(sources, checked, max_megapixels, threads, memory=kept_in)
        if len(damaged) > _most_damaged(max_rejected, len(checked), len(ids)):
            part = "" if len(checked) == len(ids) else f" checked (of {len(ids)})"
            problems.append(
                f"data set {name}: {len(damaged)} of {len(checked)} fields{part} are damaged; ingest.max_rejected "
                f"allows at most a fraction of {max_rejected:g}{_other_names(sources, ids)}"
            )
            problems += first_lines(damaged, 20)
        problems += _size_problems(name, sources.dataset, sizes.get(name, {}), headers)
    return list(dict.fromkeys(problems))


def _check_fields(
    sources: FieldSources,
    ids: Sequence[str],
    max_megapixels: float | None,
    threads: int,
    *,
    memory: Path | None = None,
) -> tuple[dict[str, Header | None], list[str]]:
    """Return the headers of the good fields by ID, and a text with all problems of each damaged field."""

    def check(field_id: str) -> tuple[Header | None, list[str]]:
        return check_field(sources, field_id, max_megapixels=max_megapixels)

    def planes(field_id: str) -> Sequence[ImagePlane | None]:
        return sources[field_id].planes

    rule = None if memory is None else Memory(memory, f"{code_digest(fields.__file__)} {max_megapixels}")
    headers, damaged = {}, []
    # A problem of the names, such as two files for one channel, is not seen in the files that are remembered.
    unclear = [field_id for field_id in ids if sources[field_id].problem]
    clear = [field_id for field_id in ids if not sources[field_id].problem] if unclear else ids
    found = chain(
        remembered(clear, planes, check, rule, threads=threads),
        ((field_id, check(field_id)) for field_id in unclear),
    )
    for field_id, (header, problems) in found:
        if problems:
            damaged.append("; ".join(problems))
        else:
            headers[field_id] = header
    return headers, damaged


def _check_in_bucket(
    sources: FieldSources, ids: Sequence[str], max_megapixels: float | None, threads: int
) -> tuple[dict[str, Header | None], list[str]]:
    """As `_check_fields`: missing files of all fields, headers of some of the others."""
    missing = {field_id: _missing_in_bucket(sources[field_id]) for field_id in ids}
    complete = [field_id for field_id, problem in missing.items() if not problem]
    headers, damaged = _check_fields(sources, _spread(complete, IN_BUCKET), max_megapixels, threads)
    return headers, [*filter(None, missing.values()), *damaged]


def _missing_in_bucket(source: FieldSource) -> str | None:
    """Message about the images of a field that are not in their folders, None if all are there."""
    if source.problem:
        return source.problem
    urls = list(dict.fromkeys(plane.path for plane in source.planes if plane and not entry(plane.path)))
    names = [url.rpartition("/")[2] for url in urls]
    return f"{urls[0].rpartition('/')[0]}/{first_few(names)}: missing" if urls else None


def _spread(ids: Sequence[str], sample: int | None) -> Sequence[str]:
    """Return `sample` evenly spaced IDs, or all if there are no more."""
    if sample is None or sample >= len(ids):
        return ids
    return [ids[place] for place in np.linspace(0, len(ids) - 1, sample).astype(int)]


def _most_damaged(max_rejected: float, checked: int, fields: int) -> float:
    """Return how many of the checked fields may be damaged: in a sample, up to 3 standard deviations more."""
    allowed = max_rejected * checked
    return allowed if checked == fields else allowed + 3 * math.sqrt(allowed * (1 - max_rejected))


def _folder_problem(dataset: RawDataset) -> str | None:
    """Return why the images are not in a folder that can be read, or None. With a table of images, none is needed."""
    if dataset.table is not None:
        return None
    images = dataset.images
    try:
        if is_url(images):
            if listing(str(images)):
                return None
            raise FileNotFoundError
        if stat.S_ISDIR(Path(images).stat().st_mode):
            return None
        found = f"{images} is not a folder"
    except FileNotFoundError:
        found = f"there is no folder {images}"
    except (OSError, ValueError) as error:
        found = f"the folder {images} cannot be opened: {getattr(error, 'strerror', error)}"
    naming, names = dataset.layout.naming, dataset.layout.names.values()
    kind = "PNGs" if naming == DEFAULT_NAMING else "images"
    shown = filled(naming, lambda name: f"<{name}>")
    channels = f", channels {', '.join(names)}" if "channel" in group_names(naming) else ""
    return f"{found}; expected a folder with {kind} named {shown}{channels}"


def _other_names(sources: FieldSources, ids: Sequence[str]) -> str:
    """Return the end of a message: if files are missing, the name of one in the folder that belongs to no field."""
    dataset = sources.dataset
    if sources.table is not None:
        more = [field_id for field_id in sources.table.ids if field_id not in set(ids)]
        return f"; {dataset.table} has rows of other IDs, such as {more[0]}" if more else ""
    try:
        found = scan(os.fspath(dataset.images), dataset.layout)
    except SourceError:
        return ""
    images = max(1, len(dataset.layout.names))
    if all(len(found.files.get(field_id, ())) == images for field_id in ids):
        return ""
    wanted = set(ids)
    of_others = [
        path for field_id, paths in found.files.items() if field_id not in wanted for path in paths.values()
    ]
    others = [*found.others, *of_others]
    if not others:
        return "" if found.files else f"; {dataset.images} is empty"
    ending = os.path.splitext(dataset.layout.naming)[1].lower()  # noqa: PTH122
    first = min(others, key=lambda path: (not path.lower().endswith(ending), path))
    return f"; {dataset.images} has files of other names, such as {first}"


def _size_problems(
    name: str,
    dataset: RawDataset,
    sizes: Mapping[str, tuple[int, int]],
    headers: Mapping[str, Header | None],
) -> list[str]:
    """Return a summary and a message for each field whose size in the table is not that of its images."""
    found = [
        size_mismatch(dataset.ids_from, field_id, sizes[field_id], (header.height, header.width))
        for field_id, header in headers.items()
        if header is not None and field_id in sizes
    ]
    different = [problem for problem in found if problem]
    if not different:
        return []
    return [
        f"data set {name}: sizes in {dataset.labels} differ from the images, fields: {len(different)}",
        *first_lines(different, 20),
    ]
