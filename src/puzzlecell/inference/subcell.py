"""SubCell as a reader of cells: each cell is cropped at a fixed physical size and classified on its own."""

import os
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import torch

from puzzlecell.config.readers import SubCellSettings
from puzzlecell.data.cell_crops import numbered_boxes
from puzzlecell.data.fields import Images, read_field
from puzzlecell.data.location_table import class_probabilities
from puzzlecell.data.physical_crops import physical_crop, scaled_channels
from puzzlecell.data.pixel_sizes import PixelSizes
from puzzlecell.data.store import ShardReader
from puzzlecell.data.tables import probability_table, write_parquet
from puzzlecell.errors import UserError
from puzzlecell.inference.predict import Paths, batches, open_shards, shared_fields
from puzzlecell.network.subcell import SubCell, load_subcell
from puzzlecell.network.subcell_file import LOCATIONS, VARIANTS, SubCellLayout
from puzzlecell.runtime.malloc import keep_freed_memory
from puzzlecell.runtime.progress import Progress, no_progress
from puzzlecell.runtime.threads import limited_threads

LARGEST_CROP = 20
"""Largest side of a crop, in sides of the field: beyond it, the pixel size must be wrong."""


def location_columns() -> list[str]:
    """Names of the columns with the probabilities of all locations, besides those of the classes."""
    return [f"location.{name}" for name in LOCATIONS]


def subcell_shard(
    cells_parquet: str | os.PathLike,
    *,
    store: Paths,
    masks: Paths,
    weights: str | os.PathLike,
    settings: SubCellSettings,
    members: Sequence[Sequence[int]],
    pixel_sizes: PixelSizes,
    images: Images | None = None,
    device: str = "cpu",
    threads: int = 1,
    progress: Progress = no_progress,
) -> None:
    """Write the cell table of `subcell_table` as Parquet."""
    table = subcell_table(
        store,
        masks,
        weights,
        settings,
        members=members,
        pixel_sizes=pixel_sizes,
        images=images,
        device=device,
        threads=threads,
        progress=progress,
    )
    write_parquet(cells_parquet, table)


def subcell_table(
    store: Paths,
    masks: Paths,
    weights: str | os.PathLike,
    settings: SubCellSettings,
    *,
    members: Sequence[Sequence[int]],
    pixel_sizes: PixelSizes,
    images: Images | None = None,
    device: str = "cpu",
    threads: int = 1,
    progress: Progress = no_progress,
) -> pd.DataFrame:
    """Run SubCell on all cells; return `ID, cell, p00 ...` and the columns of `location_columns`, one row per cell.

    weights: file of `convert_subcell`. members: locations of each class, see `read_location_classes`. pixel_sizes: what
    is stated about those of the raw fields. images: where the raw fields are, required for `source: raw`. Raises
    ValueError for a field without a label image, and UserError naming fields whose probabilities are not finite.
    """
    store, masks = open_shards(store), open_shards(masks)
    if device == "cpu":
        keep_freed_memory()
    network = load_subcell(weights, device)
    ids: list[str] = []
    cells: list[int] = []
    found = [np.empty((0, len(LOCATIONS)), np.float32)]

    crops_of_cells = subcell_crops(
        store, masks, settings, network.layout, pixel_sizes=pixel_sizes, images=images, progress=progress
    )
    with limited_threads(threads):
        for batch in batches(crops_of_cells, settings.batch_size):
            names, numbers, crops = zip(*batch, strict=True)
            values, _ = outputs(network, np.stack(crops), device, settings.precision)
            poor = dict.fromkeys(np.array(names, object)[~np.isfinite(values).all(axis=1)])
            if poor:
                raise UserError(f"field {', '.join(poor)}: the probabilities of {weights} are not finite")
            found.append(values)
            ids += names
            cells += numbers
    values = np.concatenate(found)
    table = probability_table(
        {"ID": ids, "cell": np.array(cells, np.int32)}, class_probabilities(values, members)
    )
    return pd.concat([table, pd.DataFrame(values, columns=location_columns())], axis=1)


def outputs(
    network: SubCell, crops: np.ndarray, device: str, precision: str = "float32"
) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (B, 31) of locations and embeddings (B, D), float32, of crops (B, channels, size, size)."""
    batch = torch.from_numpy(np.ascontiguousarray(crops, np.float32)).to(device)
    mixed = torch.autocast(torch.device(device).type, torch.bfloat16, enabled=precision == "bf16")
    with torch.inference_mode(), mixed:
        values, embedding = network(batch)
    return values.float().cpu().numpy(), embedding.float().cpu().numpy()


def subcell_crops(
    store: ShardReader,
    masks: ShardReader,
    settings: SubCellSettings,
    layout: SubCellLayout,
    *,
    pixel_sizes: PixelSizes,
    images: Images | None = None,
    progress: Progress = no_progress,
) -> Iterator[tuple[str, int, np.ndarray]]:
    """Yield all cells: the field's ID, the cell's number, and its crop as the network sees it.

    Crops are (channels, size, size) float32. Raises ValueError for a field without a label image, and with
    `source: raw` if `images` is None.
    """
    if settings.source == "raw" and images is None:
        raise ValueError("source is raw, so the raw fields are required")
    wanted = shared_fields(store, masks, None)
    pixel_um = dict(zip(store.ids, pixel_sizes.of(store.table).tolist(), strict=True))
    source = images if settings.source == "raw" else None
    for done, field_id in enumerate(wanted, start=1):
        for number, crop in _crops(
            store, masks, field_id, settings, pixel_um=pixel_um[field_id], images=source, layout=layout
        ):
            yield field_id, number, crop
        progress(done, len(wanted))


def _crops(
    store: ShardReader,
    masks: ShardReader,
    field_id: str,
    settings: SubCellSettings,
    *,
    pixel_um: float,
    images: Images | None,
    layout: SubCellLayout,
) -> Iterator[tuple[int, np.ndarray]]:
    """Number and crop (channels, size, size) float32 of each cell of a field, as the network sees it."""
    labels = masks.read(field_id, "cells")
    boxes = numbered_boxes(labels)
    if not boxes:
        return
    image = store.read(field_id) if images is None else read_field(images, field_id)
    height, width = store.size(field_id)
    side = settings.crop_um / pixel_um
    if side > LARGEST_CROP * max(height, width):
        raise UserError(
            f"field {field_id}: its pixel size is {pixel_um:g} um, so that a crop of {settings.crop_um:g} um has "
            f"{side:.0f} pixels, but the field has {height} x {width}; state datasets.<ds>.pixel_size_um"
        )
    crop = (side * image.shape[0] / height, side * image.shape[1] / width)
    for number, box in boxes:
        cut = physical_crop(image, labels, number, box, crop=crop, size=layout.image, mask=settings.mask)
        yield number, scaled_channels(cut, VARIANTS[layout.channels], settings.scaling)
