"""From raw PNGs to shards of the store, and the checks of all data sets before any work."""

import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
import pandas as pd

from puzzlecell import __version__
from puzzlecell.data.fields import FieldError, check_field, read_field, resize_field
from puzzlecell.data.labels import LabelError, read_ids, read_labels
from puzzlecell.data.raw_files import CHANNELS
from puzzlecell.data.store import write_shard
from puzzlecell.runtime.atomic import written_whole

Progress = Callable[[int, int], None]


class DataError(ValueError):
    """Data sets that cannot be processed; the message lists every problem found in all of them."""


@dataclass(frozen=True)
class RawDataset:
    """Where the raw files of a data set lie and whether its fields need labels."""

    images: str | os.PathLike
    labels: str | os.PathLike
    labelled: bool


def check_datasets(
    datasets: Mapping[str, RawDataset],
    classes: list[str],
    max_rejected: float,
    threads: int = 1,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Look at every label table and at the header of every PNG, before anything is computed.

    Returns a table `dataset, ID, height, width, bit_depth, reason`, a row a field; `reason` is empty for good
    fields. Raises DataError listing all problems at once: label tables that cannot be used, an ID in two data
    sets, and damaged fields where a data set has more than the fraction `max_rejected` of them.
    """
    problems: list[str] = []
    owner: dict[str, str] = {}
    for name, dataset in datasets.items():
        try:
            ids = read_ids(dataset.labels)["ID"].tolist()
            if dataset.labelled:
                read_labels(dataset.labels, classes)
        except LabelError as error:
            problems += str(error).splitlines()
            continue
        for field_id in ids:
            if field_id in owner:
                problems.append(f"{dataset.labels}: ID {field_id} is in data set {owner[field_id]} as well")
            owner.setdefault(field_id, name)

    def look(entry: tuple[str, str]) -> dict:
        field_id, name = entry
        header, reasons = check_field(datasets[name].images, field_id)
        size = {} if header is None else vars(header)
        return {"dataset": name, "ID": field_id, **size, "reason": "; ".join(reasons)}

    rows = []
    with ThreadPoolExecutor(threads) as pool:
        for done, row in enumerate(pool.map(look, owner.items()), start=1):
            rows.append(row)
            if progress:
                progress(done, len(owner))
    table = pd.DataFrame(rows, columns=["dataset", "ID", "height", "width", "bit_depth", "reason"])
    for name, fields in table.groupby("dataset", sort=False):
        rejected = fields[fields["reason"] != ""]
        if len(rejected) > max_rejected * len(fields):
            problems += rejected["reason"].tolist()
            problems.append(
                f"data set {name}: {len(rejected)} of {len(fields)} fields are damaged; "
                f"ingest.max_rejected allows the fraction {max_rejected:g}"
            )
    if problems:
        raise DataError("\n".join(["the data cannot be used:", *_shorten(problems)]))
    return table.astype({"height": "Int64", "width": "Int64", "bit_depth": "Int64"})


def ingest_shard(
    path: str | os.PathLike,
    rejected_path: str | os.PathLike,
    images: str | os.PathLike,
    field_ids: Iterable[str],
    size: int,
    max_rejected: float,
    threads: int = 1,
    progress: Progress | None = None,
) -> None:
    """Read the fields of a shard, resize them and write `/images` (N, size, size, 4) uint8 and the list of rejects.

    Raises DataError where more than the fraction `max_rejected` of the shard's fields (rounded up) cannot be read.
    """
    cv2.setNumThreads(1)
    field_ids = list(field_ids)
    stored: list[tuple[str, np.ndarray, int, int, int]] = []
    rejected: list[tuple[str, str]] = []

    def read(field_id: str):
        try:
            field = read_field(images, field_id)
        except FieldError as error:
            return field_id, str(error)
        return field_id, resize_field(field, size), *field.shape[:2], field.dtype.itemsize * 8

    with ThreadPoolExecutor(threads) as pool:
        for done, result in enumerate(pool.map(read, field_ids), start=1):
            (rejected if len(result) == 2 else stored).append(result)
            if progress:
                progress(done, len(field_ids))
    if len(rejected) > np.ceil(max_rejected * len(field_ids)):
        listing = _shorten([reason for _, reason in rejected])
        raise DataError(
            "\n".join(
                [
                    f"{len(rejected)} of {len(field_ids)} fields cannot be read; ingest.max_rejected allows the "
                    f"fraction {max_rejected:g}:",
                    *listing,
                ]
            )
        )
    columns = (
        list(zip(*stored, strict=True))
        if stored
        else [(), np.empty((0, size, size, 4), np.uint8), (), (), ()]
    )
    write_shard(
        path,
        columns[0],
        {
            "images": np.asarray(columns[1], dtype=np.uint8),
            "height": np.asarray(columns[2], dtype=np.uint32),
            "width": np.asarray(columns[3], dtype=np.uint32),
            "bit_depth": np.asarray(columns[4], dtype=np.uint8),
        },
        {"channels": ",".join(CHANNELS), "size": size, "puzzlecell": __version__},
    )
    with written_whole(rejected_path) as temporary:
        pd.DataFrame(rejected, columns=["ID", "reason"]).to_csv(temporary, index=False)


def _shorten(problems: list[str], most: int = 50) -> list[str]:
    shown = [f"  {problem}" for problem in problems[:most]]
    return shown if len(problems) <= most else [*shown, f"  ... and {len(problems) - most} more"]
