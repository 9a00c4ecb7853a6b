"""Checks of all data sets before anything is computed."""

import math
import os
import stat
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from puzzlecell.config.labels import WithoutClass
from puzzlecell.data.fields import check_field
from puzzlecell.data.image_sizes import size_mismatch, table_sizes
from puzzlecell.data.labels import LabelError, read_ids, read_labels
from puzzlecell.data.png import Header
from puzzlecell.data.raw_files import CHANNELS, channel_names
from puzzlecell.runtime.bucket import is_url, listing
from puzzlecell.runtime.messages import first_few, first_lines

IN_BUCKET = 100
"""Fields per data set in a bucket whose headers are read."""


@dataclass(frozen=True)
class RawDataset:
    """Paths of the raw files of a data set, and whether its fields need labels."""

    images: str | os.PathLike
    labels: str | os.PathLike
    labelled: bool


def dataset_problems(
    datasets: Mapping[str, RawDataset],
    classes: Sequence[str],
    max_rejected: float,
    threads: int = 1,
    *,
    max_megapixels: float | None = None,
    sample: int | None = None,
    without_class: WithoutClass = "error",
) -> list[str]:
    """Return every problem found in the label tables and PNG headers of all data sets; no image is decoded.

    Problems are unusable label tables, IDs that occur in two data sets, missing image folders, damaged fields, if they
    exceed the fraction `max_rejected` of their data set, and sizes in the table of a test set that its images do not
    have.

    max_megapixels: larger images count as damaged. sample: number of fields per data set, evenly spaced in its table,
    whose headers are read; None reads all. Of a data set in a bucket, the headers of at most 100 fields are read, and
    the names of all files are compared with the list of its folder. without_class: see `read_labels`.
    """
    problems: list[str] = []
    owner: dict[str, str] = {}
    sizes: dict[str, dict[str, tuple[int, int]]] = {}
    for name, dataset in datasets.items():
        try:
            table = read_ids(dataset.labels)
            for field_id in table["ID"]:
                if field_id in owner:
                    problems.append(f"{dataset.labels}: ID {field_id} is also in data set {owner[field_id]}")
                owner.setdefault(field_id, name)
            if dataset.labelled:
                read_labels(dataset.labels, classes, without_class)
            else:
                sizes[name] = table_sizes(dataset.labels, table) or {}
        except LabelError as error:
            problems += str(error).splitlines()
    for name, dataset in datasets.items():
        no_folder = _folder_problem(dataset.images)
        if no_folder:
            problems.append(no_folder)
            continue
        ids = [field_id for field_id, of in owner.items() if of == name]
        checked = _spread(ids, sample)
        if is_url(dataset.images):
            checked = ids
            headers, damaged = _check_in_bucket(str(dataset.images), ids, max_megapixels, threads)
        else:
            headers, damaged = _check_fields(dataset.images, checked, max_megapixels, threads)
        if len(damaged) > _most_damaged(max_rejected, len(checked), len(ids)):
            part = "" if len(checked) == len(ids) else f" checked (of {len(ids)})"
            problems.append(
                f"data set {name}: {len(damaged)} of {len(checked)} fields{part} are damaged; ingest.max_rejected "
                f"allows at most a fraction of {max_rejected:g}{_other_names(dataset.images, ids)}"
            )
            problems += first_lines(damaged, 20)
        problems += _size_problems(name, dataset, sizes.get(name, {}), headers)
    return problems


def _check_fields(
    images: str | os.PathLike, ids: Sequence[str], max_megapixels: float | None, threads: int
) -> tuple[dict[str, Header | None], list[str]]:
    """Return the headers of the good fields by ID, and a text with all problems of each damaged field."""

    def check(field_id: str) -> tuple[Header | None, list[str]]:
        return check_field(images, field_id, max_megapixels=max_megapixels)

    with ThreadPoolExecutor(threads) as pool:
        found = dict(zip(ids, pool.map(check, ids), strict=True))
    headers = {field_id: header for field_id, (header, problems) in found.items() if not problems}
    return headers, ["; ".join(problems) for _, problems in found.values() if problems]


def _check_in_bucket(
    images: str, ids: Sequence[str], max_megapixels: float | None, threads: int
) -> tuple[dict[str, Header | None], list[str]]:
    """As `_check_fields`: missing files of all fields, headers of some of the others."""
    present = listing(images)
    missing = {
        field_id: [name for name in channel_names(field_id) if name not in present] for field_id in ids
    }
    complete = [field_id for field_id, names in missing.items() if not names]
    headers, damaged = _check_fields(images, _spread(complete, IN_BUCKET), max_megapixels, threads)
    absent = [f"{images}/{first_few(names)}: missing" for names in missing.values() if names]
    return headers, absent + damaged


def _spread(ids: Sequence[str], sample: int | None) -> Sequence[str]:
    """Return `sample` evenly spaced IDs, or all if there are no more."""
    if sample is None or sample >= len(ids):
        return ids
    return [ids[place] for place in np.linspace(0, len(ids) - 1, sample).astype(int)]


def _most_damaged(max_rejected: float, checked: int, fields: int) -> float:
    """Return how many of the checked fields may be damaged: in a sample, up to 3 standard deviations more."""
    allowed = max_rejected * checked
    return allowed if checked == fields else allowed + 3 * math.sqrt(allowed * (1 - max_rejected))


def _folder_problem(images: str | os.PathLike) -> str | None:
    """Return why a path is not a folder that can be read, or None."""
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
    return f"{found}; expected a folder with PNGs named <ID>_<channel>.png, channels {', '.join(CHANNELS)}"


def _other_names(images: str | os.PathLike, ids: Sequence[str]) -> str:
    """Return the end of a message: if files are missing, the name of one in the folder that belongs to no field."""
    try:
        present = (
            set(listing(str(images))) if is_url(images) else {path.name for path in Path(images).iterdir()}
        )
    except OSError:
        return ""
    expected = {name for field_id in ids for name in channel_names(field_id)}
    if expected <= present:
        return ""
    if not present:
        return f"; {images} is empty"
    others = sorted(present - expected, key=lambda name: (not name.lower().endswith(".png"), name))
    return f"; {images} has files of other names, such as {others[0]}" if others else ""


def _size_problems(
    name: str,
    dataset: RawDataset,
    sizes: Mapping[str, tuple[int, int]],
    headers: Mapping[str, Header | None],
) -> list[str]:
    """Return a summary and a message for each field whose size in the table is not that of its images."""
    found = [
        size_mismatch(dataset.labels, field_id, sizes[field_id], (header.height, header.width))
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
