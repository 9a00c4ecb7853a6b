"""Step 2: each cell is cropped from its field and classified individually."""

import os
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from scipy.special import expit

from puzzlecell.config.steps import Step2Settings
from puzzlecell.data.cell_crops import (
    crop_geometry,
    cut_cell,
    fitting_canvas,
    numbered_boxes,
    pool_under,
    trimmed,
)
from puzzlecell.data.fields import Images, read_field
from puzzlecell.data.intensity import stored_limits, to_unit
from puzzlecell.data.resize import sized_field
from puzzlecell.data.store import ShardReader
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
from puzzlecell.network.cam_network import CamNetwork
from puzzlecell.runtime.progress import Progress, no_progress
from puzzlecell.runtime.threads import limited_threads


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
    store, masks = open_shards(store), open_shards(masks)
    wanted = shared_fields(store, masks, field_ids)
    networks = load_networks(models, device)
    ids: list[str] = []
    cells: list[int] = []
    places: list[int] = []
    scores = [np.empty((0, len(networks[0].classes)))]
    with limited_threads(threads):
        # Batches of crops of one size, so not in the order of the cells.
        crops = cell_crops(
            store, masks, wanted, networks[0], settings=settings, images=images, progress=progress
        )
        numbered = enumerate(crops)
        for batch in batches(numbered, settings.batch_size, lambda item: len(item[1][2])):
            batch_ids, numbers, cut = zip(*(crop for _, crop in batch), strict=True)
            pixels, shares = np.split(np.stack(cut), [4], axis=3)
            outputs = [
                predict(network, pixels, settings.tta, device, precision=settings.precision)
                for network in networks
            ]
            for (logits, maps), path in zip(outputs, models, strict=True):
                check_finite_outputs(logits, maps, batch_ids, path)
            if settings.pool == "cell":
                outputs = [(pool_under(maps, shares[..., 0]), maps) for _, maps in outputs]
            scores.append(np.mean([expit(logits, dtype=np.float64) for logits, _ in outputs], axis=0))
            ids += batch_ids
            cells += numbers
            places += [place for place, _ in batch]
    order = np.argsort(places)
    return probability_table(
        {"ID": [ids[row] for row in order], "cell": np.array(cells, np.int32)[order]},
        np.concatenate(scores)[order],
    )


def cell_crops(
    store: ShardReader,
    masks: ShardReader,
    wanted: Sequence[str],
    network: CamNetwork,
    *,
    settings: Step2Settings,
    images: Images | None = None,
    progress: Progress = no_progress,
) -> Iterator[tuple[str, int, np.ndarray]]:
    """Yield all cells of the fields `wanted`: the field's ID, the cell's number, and its crop of `cut_cell`.

    Crops have the side of the canvas, or of the smallest one that holds the cell with `canvas: fitted`. Raises
    ValueError with `source: raw` if `images` is None.
    """
    if settings.source == "raw" and images is None:
        raise ValueError("step2.source is raw, so the raw fields are required")
    output_stride = network.settings.output_stride
    geometry = crop_geometry(settings, network.field_size, network.crop_size, output_stride=output_stride)
    read_from = images if settings.source == "raw" else None
    limits = {} if read_from is None else stored_limits(store)
    for done, field_id in enumerate(wanted, start=1):
        labels = masks.read(field_id, "cells")
        if read_from is not None:
            image = as_bytes(read_field(read_from, field_id), limits[field_id])
        else:
            image = store.read(field_id)
            if settings.scale == "fixed":
                image = sized_field(image, geometry.field_size)
        for number, box in numbered_boxes(labels):
            crop = cut_cell(image, labels, number, box, geometry)
            if settings.canvas == "fitted":
                crop = trimmed(crop, fitting_canvas(labels.shape, box, geometry, output_stride))
            yield field_id, number, crop
        progress(done, len(wanted))


def as_bytes(field: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """Convert a raw field to uint8 as in the store: floor(255 x intensity). limits: see `intensity_limits`."""
    if field.dtype == np.uint8 and (limits == np.array([0, 255])).all():
        return field
    unit = to_unit(field, limits)
    unit *= 255
    # As in the store: single precision can fall just below whole numbers.
    unit += 1e-3
    return np.minimum(unit, 255, out=unit).astype(np.uint8)
