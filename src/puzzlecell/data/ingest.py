"""Conversion of raw PNGs to shards of the store."""

import logging
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd

from puzzlecell import __version__
from puzzlecell.config.datasets import IngestSettings
from puzzlecell.data.field_summary import contrast
from puzzlecell.data.fields import FieldError, Images, read_field_and_header
from puzzlecell.data.raw_files import CHANNELS
from puzzlecell.data.resize import resize_field
from puzzlecell.data.store import write_shard
from puzzlecell.data.tables import write_csv
from puzzlecell.errors import UserError
from puzzlecell.runtime.messages import first_few, first_lines
from puzzlecell.runtime.progress import Progress, no_progress
from puzzlecell.runtime.threads import limited_threads

log = logging.getLogger(__name__)


class DataError(UserError):
    """Fields cannot be stored; the message lists every problem found."""


@dataclass(frozen=True)
class _Stored:
    """A field ready for the store, with size, bit depth and pixel size (NaN: unknown) of its raw files."""

    field_id: str
    image: np.ndarray
    height: int
    width: int
    bit_depth: int
    pixel_size_um: float


def ingest_shard(
    path: str | os.PathLike,
    rejected_path: str | os.PathLike,
    images: Images,
    field_ids: Iterable[str],
    settings: IngestSettings,
    *,
    threads: int = 1,
    progress: Progress = no_progress,
) -> None:
    """Read and resize the fields of a shard; write `/images` (N, size, size, 4) uint8 and the list of rejected fields.

    `/contrast` (N, 4) uint8 is the brightest minus the darkest pixel of each channel. Rejected fields are logged.

    images: where the raw files are. `/pixel_size_um` (N) is that of their metadata, NaN without. rejected_path: CSV
    `ID, reason`. Raises DataError if more than the fraction `max_rejected` of the fields (rounded up) cannot be read.
    """
    field_ids = list(field_ids)
    stored: list[_Stored] = []
    rejected: list[tuple[str, str]] = []

    def read(field_id: str) -> _Stored | tuple[str, str]:
        try:
            field, header = read_field_and_header(images, field_id, max_megapixels=settings.max_megapixels)
        except FieldError as error:
            return field_id, str(error)
        height, width = field.shape[:2]
        depth = field.dtype.itemsize * 8
        image = resize_field(field, settings.size)
        return _Stored(field_id, image, height, width, depth, header.pixel_size_um or np.nan)

    # Fields are processed in parallel threads, so OpenCV itself uses only one.
    with limited_threads(1), ThreadPoolExecutor(threads) as pool:
        for done, result in enumerate(pool.map(read, field_ids), start=1):
            if isinstance(result, _Stored):
                stored.append(result)
            else:
                rejected.append(result)
            progress(done, len(field_ids))
    if len(rejected) > np.ceil(settings.max_rejected * len(field_ids)):
        listing = first_lines([reason for _, reason in rejected])
        raise DataError(
            "\n".join(
                [
                    f"{len(rejected)} of {len(field_ids)} fields cannot be read; ingest.max_rejected allows at most a "
                    f"fraction of {settings.max_rejected:g}:",
                    *listing,
                ]
            )
        )
    pictures = np.empty((len(stored), settings.size, settings.size, 4), np.uint8)
    for place, field in enumerate(stored):
        pictures[place] = field.image
    write_shard(
        path,
        [field.field_id for field in stored],
        {
            "images": pictures,
            "height": np.asarray([field.height for field in stored], dtype=np.uint32),
            "width": np.asarray([field.width for field in stored], dtype=np.uint32),
            "bit_depth": np.asarray([field.bit_depth for field in stored], dtype=np.uint8),
            "pixel_size_um": np.asarray([field.pixel_size_um for field in stored], dtype=np.float64),
            # For the warnings of `data/plausibility.py`, so that they need not read the images.
            "contrast": np.asarray([contrast(field.image) for field in stored], np.uint8).reshape(-1, 4),
        },
        {"channels": ",".join(CHANNELS), "size": settings.size, "puzzlecell": __version__},
    )
    if rejected:
        names = first_few(field_id for field_id, _ in rejected)
        log.warning(
            "%d of %d fields cannot be read and are left out: %s", len(rejected), len(field_ids), names
        )
    write_csv(rejected_path, pd.DataFrame(rejected, columns=["ID", "reason"]))
