"""Conversion of raw images to shards of the store."""

import logging
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from puzzlecell import __version__
from puzzlecell.config.datasets import IngestSettings
from puzzlecell.data.field_summary import contrast
from puzzlecell.data.fields import FieldError, Images, read_field_and_header
from puzzlecell.data.intensity import IntensityError, intensity_limits
from puzzlecell.data.raw_files import CHANNELS
from puzzlecell.data.resize import resize_field
from puzzlecell.data.store import open_shard, text_column
from puzzlecell.data.tables import write_csv
from puzzlecell.errors import UserError
from puzzlecell.runtime.malloc import keep_freed_memory
from puzzlecell.runtime.messages import first_few, first_lines
from puzzlecell.runtime.progress import Progress, no_progress
from puzzlecell.runtime.threads import in_order, limited_threads

log = logging.getLogger(__name__)

COLUMNS = {
    "height": (np.uint32, ()),
    "width": (np.uint32, ()),
    "bit_depth": (np.uint8, ()),
    "pixel_size_um": (np.float64, ()),
    # For the warnings of `data/plausibility.py`, so that they need not read the images.
    "contrast": (np.uint8, (4,)),
    "low": (np.float32, (4,)),
    "high": (np.float32, (4,)),
}
"""Arrays of numbers beside the images: type and shape of a field's row."""


class DataError(UserError):
    """Fields cannot be stored; the message lists every problem found."""


@dataclass(frozen=True)
class _Resized:
    """A field ready for the store: its image (size, size, 4), and its row of the columns beside the images.

    note: how unusual files were read, or "".
    """

    field_id: str
    image: np.ndarray
    row: dict[str, object]
    note: str


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

    `/contrast` (N, 4) uint8 is the brightest minus the darkest pixel of each channel; `/low` and `/high` (N, 4) float32
    are the raw intensities that became 0 and 1; `/note` (N) text says how unusual files were read. Rejected fields are
    logged. Fields are written as they come: the memory does not depend on their number.

    images: where the raw files are. `/pixel_size_um` (N) is that of their metadata, NaN without. rejected_path: CSV
    `ID, reason`. Raises DataError if more than the fraction `max_rejected` of the fields (rounded up) cannot be read.
    """
    field_ids = list(field_ids)
    ids: list[str] = []
    columns: dict[str, list] = {name: [] for name in COLUMNS}
    notes: list[str] = []
    rejected: list[tuple[str, str]] = []

    def read(field_id: str) -> _Resized | tuple[str, str]:
        try:
            return _resized(images, field_id, settings)
        except FieldError as error:
            return field_id, str(error)
        except IntensityError as error:
            return field_id, f"field {field_id}: {error}"

    picture = {"images": ((settings.size, settings.size, 4), np.dtype(np.uint8))}
    attributes = {"channels": ",".join(CHANNELS), "size": settings.size, "puzzlecell": __version__}
    # Each image takes several blocks of its size, which the system would otherwise hand out page by page again.
    keep_freed_memory()
    # Fields are processed in parallel threads, so OpenCV itself uses only one.
    with limited_threads(1), open_shard(path, len(field_ids), picture, attributes) as shard:
        for done, result in enumerate(in_order(read, field_ids, threads), start=1):
            if isinstance(result, _Resized):
                shard.write(len(ids), "images", result.image)
                ids.append(result.field_id)
                notes.append(result.note)
                for name, value in result.row.items():
                    columns[name].append(value)
            else:
                rejected.append(result)
            progress(done, len(field_ids))
        if len(rejected) > np.ceil(settings.max_rejected * len(field_ids)):
            raise DataError(_too_many(rejected, len(field_ids), settings.max_rejected))
        arrays = {
            name: np.asarray(columns[name], dtype).reshape(-1, *shape)
            for name, (dtype, shape) in COLUMNS.items()
        }
        shard.finish(ids, {**arrays, "note": text_column(notes)})
    if rejected:
        names = first_few(field_id for field_id, _ in rejected)
        log.warning(
            "%d of %d fields cannot be read and are left out: %s", len(rejected), len(field_ids), names
        )
    write_csv(rejected_path, pd.DataFrame(rejected, columns=["ID", "reason"]))


def _resized(images: Images, field_id: str, settings: IngestSettings) -> _Resized:
    """Read and resize a field. Raises FieldError and IntensityError."""
    field, header = read_field_and_header(images, field_id, max_megapixels=settings.max_megapixels)
    limits = intensity_limits(field, settings.intensity)
    image = resize_field(field, settings.size, limits)
    row = {
        "height": field.shape[0],
        "width": field.shape[1],
        "bit_depth": field.dtype.itemsize * 8,
        "pixel_size_um": header.pixel_size_um or np.nan,
        "contrast": contrast(image),
        "low": limits[:, 0],
        "high": limits[:, 1],
    }
    return _Resized(field_id, image, row, header.note or "")


def _too_many(rejected: Sequence[tuple[str, str]], fields: int, max_rejected: float) -> str:
    listing = first_lines([reason for _, reason in rejected])
    return "\n".join(
        [
            f"{len(rejected)} of {fields} fields cannot be read; ingest.max_rejected allows at most a fraction of "
            f"{max_rejected:g}:",
            *listing,
        ]
    )
