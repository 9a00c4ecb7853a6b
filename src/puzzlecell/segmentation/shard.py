"""Segmentation of one shard of the store into label images and a cell table."""

import logging
import os
from collections.abc import Iterator
from contextlib import closing

import cv2
import h5py
import numpy as np
import pandas as pd

from puzzlecell import __version__
from puzzlecell.config.segmentation import SegmentationSettings
from puzzlecell.data.fields import Images, read_field
from puzzlecell.data.intensity import stored_limits
from puzzlecell.data.label_images import resize_label_image, tidy
from puzzlecell.data.pixel_sizes import PixelSizes
from puzzlecell.data.store import ShardReader, shard_writer
from puzzlecell.data.tables import write_parquet
from puzzlecell.runtime.progress import Progress, no_progress
from puzzlecell.runtime.threads import limited_threads
from puzzlecell.segmentation.base import FieldImage, Resources, SegmentedField, Segmenter, integers
from puzzlecell.segmentation.cell_table import CELL_COLUMNS, cell_table
from puzzlecell.segmentation.factory import make_segmenter
from puzzlecell.segmentation.overlay import write_overlays

log = logging.getLogger(__name__)


def segment_shard(
    store_path: str | os.PathLike,
    masks_path: str | os.PathLike,
    table_path: str | os.PathLike,
    settings: SegmentationSettings,
    pixel_sizes: PixelSizes,
    *,
    images: Images | None = None,
    data_folder: str | os.PathLike | None = None,
    overlay_path: str | os.PathLike | None = None,
    max_megapixels: float | None = None,
    threads: int = 1,
    device: str = "cpu",
    progress: Progress = no_progress,
) -> None:
    """Segment every field of a shard; write its label images (HDF5) and its cell table (Parquet).

    A field without cells keeps its (empty) label images. It is logged with the reason, which is also stored in the
    table's attributes: `read_parquet(table_path).attrs["no_cells"]` is a dict from ID to reason.

    Args:
        pixel_sizes: what is stated about the pixel sizes of the raw fields.
        images: where the raw files are, required for `source: raw`.
        data_folder: path or URL of the folder of the data set, in which the folder of the user's own masks lies.
        overlay_path: PNG to write with the outlines of the first fields; None writes none.
        max_megapixels: largest label image of the user, in millions of pixels; None sets no limit.
        progress: called with the number of fields done and their total number.

    Raises ValueError if `source` is raw and `images` is not given, and any error of the segmenter.
    """
    if settings.source == "raw" and images is None:
        raise ValueError("segmentation.source is raw, but no raw fields were given")
    read_from = images if settings.source == "raw" else None
    reader = ShardReader([store_path])
    side = settings.size or _stored_side(store_path)
    resources = Resources(threads, device, data_folder, max_megapixels)
    tables, reasons = [], {}
    with (
        limited_threads(threads),
        closing(make_segmenter(settings, resources)) as segmenter,
        shard_writer(
            masks_path,
            reader.ids,
            {name: reader.table[name].to_numpy() for name in ("height", "width")},
            {name: ((side, side), np.dtype(np.uint16)) for name in ("cells", "nuclei")},
            {"size": side, "segmenter": settings.method, "puzzlecell": __version__},
        ) as masks,
    ):
        found_fields = _segmented(reader, segmenter, settings, pixel_sizes, read_from)
        for row, (field, found) in enumerate(found_fields):
            cells, nuclei = at_size(found, side)
            masks.write(row, "cells", cells)
            masks.write(row, "nuclei", nuclei)
            height, width = reader.size(field.field_id)
            tables.append(
                cell_table(
                    field.field_id,
                    integers(field),
                    cells,
                    nuclei,
                    settings.quality,
                    height=height,
                    width=width,
                )
            )
            if not cells.any():
                reasons[field.field_id] = (
                    found.reason or f"no cell is left after resizing to {side} x {side} pixels"
                )
                log.info("%s: no cells: %s", field.field_id, reasons[field.field_id])
            progress(row + 1, len(reader))
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(CELL_COLUMNS))
    table = table.astype(CELL_COLUMNS)
    table.attrs = {"no_cells": reasons}
    write_parquet(table_path, table)
    if overlay_path is not None:
        write_overlays(overlay_path, store_path, masks_path)


def at_size(found: SegmentedField, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Return cells and nuclei resized for storage, both (side, side) uint16."""
    if found.cells.shape == (side, side):
        return found.cells, found.nuclei
    return tidy(*(resize_label_image(labels, (side, side)) for labels in (found.cells, found.nuclei)))


def unsqueezed(image: np.ndarray, height: int, width: int, side: int) -> np.ndarray:
    """Restore square pixels of a stored field: (S, S, 4) -> (h, w, 4); the longer of h and w equals `side`.

    The store squeezes non-square fields to a square. height, width: original size of the field.
    """
    longer = max(height, width)
    shape = max(1, round(side * height / longer)), max(1, round(side * width / longer))
    if shape == image.shape[:2]:
        return image
    shrinks = shape[0] <= image.shape[0] and shape[1] <= image.shape[1]
    return cv2.resize(image, shape[::-1], interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def _segmented(
    reader: ShardReader,
    segmenter: Segmenter,
    settings: SegmentationSettings,
    pixel_sizes: PixelSizes,
    images: Images | None,
) -> Iterator[tuple[FieldImage, SegmentedField]]:
    """Yield the fields with their label images in the order of the shard, a few at a time to save memory.

    images: where the raw fields are; None reads them from the store.
    """
    # Independent of the number of threads, so that the batches of a network are too.
    limits = {} if images is None else stored_limits(reader)
    together = max(16, settings.hpa_dpn.batch)
    ids = reader.ids
    sizes = dict(zip(ids, pixel_sizes.of(reader.table).tolist(), strict=True))
    for first in range(0, len(ids), together):
        fields = [
            _read_raw(field_id, images, sizes[field_id], limits[field_id])
            if images is not None
            else _read_stored(reader, field_id, settings, sizes[field_id])
            for field_id in ids[first : first + together]
        ]
        yield from zip(fields, segmenter.segment(fields), strict=True)


def _read_raw(field_id: str, images: Images, pixel_size_um: float, limits: np.ndarray) -> FieldImage:
    return FieldImage(field_id, read_field(images, field_id), pixel_size_um, limits)


def _read_stored(
    reader: ShardReader, field_id: str, settings: SegmentationSettings, pixel_size_um: float
) -> FieldImage:
    height, width = reader.size(field_id)
    image = reader.read(field_id)
    image = unsqueezed(image, height, width, settings.size or image.shape[0])
    return FieldImage(field_id, image, pixel_size_um * max(height, width) / max(image.shape))


def _stored_side(store_path: str | os.PathLike) -> int:
    with h5py.File(store_path, "r") as file:
        return int(file["images"].shape[1])
