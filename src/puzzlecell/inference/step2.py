"""Step 2: each cell is cropped from its field and classified individually."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import pandas as pd
from scipy.ndimage import find_objects
from scipy.special import expit

from puzzlecell.config.steps import Step2Settings
from puzzlecell.data.fields import Images, read_field
from puzzlecell.data.intensity import stored_limits, to_unit
from puzzlecell.data.label_images import nearest_index
from puzzlecell.data.resize import sized_field
from puzzlecell.data.tables import probability_table, write_parquet
from puzzlecell.inference.predict import (
    Paths,
    batches,
    check_finite_outputs,
    load_networks,
    open_shards,
    predict,
    shared_fields,
)
from puzzlecell.runtime.progress import Progress, no_progress
from puzzlecell.runtime.threads import limited_threads


@dataclass(frozen=True)
class CropGeometry:
    """How cells are cropped: sides of the canvas and of the field as the network sees it, in pixels, and settings."""

    canvas: int
    field_size: int
    fixed: bool
    margin: float
    mask: str
    padding: str


def crop_geometry(settings: Step2Settings, field_size: int, crop_size: int) -> CropGeometry:
    """Geometry for a network that sees fields of `field_size` pixels and was trained on crops of `crop_size`."""
    fixed = settings.scale == "fixed"
    canvas = crop_size
    if fixed:
        canvas = settings.crop or -(-field_size // 64) * 32
    return CropGeometry(canvas, field_size, fixed, settings.margin, settings.mask, settings.padding)


def cut_cells(image: np.ndarray, labels: np.ndarray, geometry: CropGeometry) -> tuple[np.ndarray, np.ndarray]:
    """Crop all cells of a field, in increasing order of their numbers.

    Returns the crops (n, canvas, canvas, 4) uint8, and for each crop pixel the share (n, canvas, canvas) uint8 that
    belongs to the cell, 255 for all of it.
    image: (H, W, 4) uint8 RGBY, of any size; labels: (M, M) unsigned label image of the same field, of any size. A crop
    shows the cell's bounding box and a margin on a square canvas. At a fixed scale, a crop pixel is a pixel of the
    field at `field_size`, unless the box exceeds the canvas; otherwise the longer side of the box fills the canvas.
    """
    crops = [
        _cut(image, labels, number, box, geometry)
        for number, box in enumerate(find_objects(labels), start=1)
        if box is not None
    ]
    stacked = np.stack(crops) if crops else np.empty((0, geometry.canvas, geometry.canvas, 5), np.uint8)
    return stacked[..., :4], stacked[..., 4]


def _cut(
    image: np.ndarray, labels: np.ndarray, number: int, box: tuple[slice, slice], geometry: CropGeometry
) -> np.ndarray:
    """Crop one cell, with the cell's share as fifth channel.

    Corners are (y, x) in pixels of the field at `field_size`, except `first` and `last`, which are in image pixels.
    """
    low, high, origin, scale = _square(labels.shape, box, geometry)
    per_pixel = np.array(image.shape[:2]) / geometry.field_size
    first = np.round(np.maximum(low, 0) * per_pixel).astype(int)
    last = np.round(np.minimum(high, geometry.field_size) * per_pixel).astype(int)
    last = np.maximum(last, first + 1)
    pixels = image[first[0] : last[0], first[1] : last[1]]
    rows, columns = (nearest_index(n, size) for n, size in zip(labels.shape, image.shape[:2], strict=True))
    owners = labels[rows[first[0] : last[0], None], columns[None, first[1] : last[1]]]
    shown = owners == number
    if geometry.mask != "none":
        visible = shown | (owners == 0) if geometry.mask == "others" else shown
        pixels = np.where(visible[..., None], pixels, 0)
    share: np.ndarray = np.where(shown, 255, 0).astype(np.uint8)
    height, width = np.clip(np.round((last - first) / per_pixel * scale), 1, geometry.canvas).astype(int)
    if (height, width) != share.shape:
        shrinks = height < share.shape[0] or width < share.shape[1]
        how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        pixels, share = (cv2.resize(a, (width, height), interpolation=how) for a in (pixels, share))
    room = geometry.canvas - np.array([height, width])
    top, left = np.clip(np.round((first / per_pixel - origin) * scale), 0, room).astype(int)
    crop = np.zeros((geometry.canvas, geometry.canvas, 5), np.uint8)
    crop[top : top + height, left : left + width] = np.dstack([pixels, share])
    return crop


def _square(
    shape: tuple[int, ...], box: tuple[slice, slice], geometry: CropGeometry
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Return the two corners of the region that a crop shows, the corner of its canvas, and its scale.

    shape: shape of the label image; the box is in its pixels.
    """
    per_label = geometry.field_size / np.array(shape[:2])
    low = np.array([side.start for side in box]) * per_label
    high = np.array([side.stop for side in box]) * per_label
    margin = geometry.margin * (high - low).max()
    low, high = low - margin, high + margin
    if geometry.fixed:
        # Whole pixels: the crop is then cut from the field without resampling.
        low, high = np.floor(low + 1e-6), np.ceil(high - 1e-6)
    scale = geometry.canvas / (high - low).max()
    if geometry.fixed:
        scale = min(1.0, scale)
    origin = (low + high - geometry.canvas / scale) / 2
    if scale == 1:
        origin = np.floor(origin)
    if geometry.padding == "field":
        return origin, origin + geometry.canvas / scale, origin, scale
    return low, high, origin, scale


def step2_shard(
    cells_parquet: str | os.PathLike,
    *,
    store: Paths,
    masks: Paths,
    models: Sequence[str | os.PathLike],
    settings: Step2Settings,
    images: Images | None = None,
    device: str = "cpu",
    threads: int = 1,
    progress: Progress = no_progress,
) -> None:
    """Write the cell table of `step2_table` as Parquet."""
    table = step2_table(
        store,
        masks,
        models,
        settings,
        images=images,
        device=device,
        threads=threads,
        progress=progress,
    )
    write_parquet(cells_parquet, table)


def step2_table(
    store: Paths,
    masks: Paths,
    models: Sequence[str | os.PathLike],
    settings: Step2Settings,
    *,
    images: Images | None = None,
    field_ids: Sequence[str] | None = None,
    device: str = "cpu",
    threads: int = 1,
    progress: Progress = no_progress,
) -> pd.DataFrame:
    """Run step 2 with the fold models of a stage; return `ID, cell, p00 ...`, one row per cell, averaged over models.

    Arguments are those of `step1_tables`; images: where the raw fields are, required for `source: raw`.
    Raises ValueError for a field with non-finite logits or without a label image, and for models that are not of the
    same stage.
    """
    if settings.source == "raw" and images is None:
        raise ValueError("step2.source is raw, so the raw fields are required")
    read_from = images if settings.source == "raw" else None
    store, masks = open_shards(store), open_shards(masks)
    wanted = shared_fields(store, masks, field_ids)
    networks = load_networks(models, device)
    limits = {} if read_from is None else stored_limits(store)
    geometry = crop_geometry(settings, networks[0].field_size, networks[0].crop_size)

    def crops_of_fields() -> Iterator[tuple[str, int, np.ndarray, np.ndarray]]:
        for done, field_id in enumerate(wanted, start=1):
            labels = masks.read(field_id, "cells")
            if read_from is not None:
                image = as_bytes(read_field(read_from, field_id), limits[field_id])
            else:
                image = store.read(field_id)
                if settings.scale == "fixed":
                    image = sized_field(image, geometry.field_size)
            numbers = [number for number, box in enumerate(find_objects(labels), start=1) if box is not None]
            for number, *cut in zip(numbers, *cut_cells(image, labels, geometry), strict=True):
                yield field_id, number, *cut
            progress(done, len(wanted))

    ids: list[str] = []
    cells: list[int] = []
    scores = [np.empty((0, len(networks[0].classes)))]
    with limited_threads(threads):
        for batch in batches(crops_of_fields(), settings.batch_size):
            batch_ids, numbers, crops, shares = zip(*batch, strict=True)
            outputs = [predict(network, np.stack(crops), settings.tta, device) for network in networks]
            for (logits, maps), path in zip(outputs, models, strict=True):
                check_finite_outputs(logits, maps, batch_ids, path)
            if settings.pool == "cell":
                outputs = [(pool_under(maps, np.stack(shares)), maps) for _, maps in outputs]
            scores.append(np.mean([expit(logits, dtype=np.float64) for logits, _ in outputs], axis=0))
            ids += batch_ids
            cells += numbers
    return probability_table({"ID": ids, "cell": np.array(cells, np.int32)}, np.concatenate(scores))


def pool_under(maps: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Logits (n, C): means of maps (n, C, h, w), weighted by the cells' shares (n, canvas, canvas).

    The network's own logits are unweighted means of its maps, in which the black surroundings of a small cell count as
    much as the cell.
    """
    weights = np.stack(
        [
            cv2.resize(share.astype(np.float32), maps.shape[:1:-1], interpolation=cv2.INTER_AREA)
            for share in shares
        ]
    )
    # A cell of one or two pixels may be missed by nearest-neighbour sampling if the image is smaller than the labels.
    weights[~weights.any(axis=(1, 2))] = 1
    return np.einsum("nchw,nhw->nc", maps, weights) / weights.sum(axis=(1, 2))[:, None]


def as_bytes(field: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """Convert a raw field to uint8 as in the store: floor(255 x intensity). limits: see `intensity_limits`."""
    if field.dtype == np.uint8 and (limits == np.array([0, 255])).all():
        return field
    unit = to_unit(field, limits)
    unit *= 255
    # As in the store: single precision can fall just below whole numbers.
    unit += 1e-3
    return np.minimum(unit, 255, out=unit).astype(np.uint8)
