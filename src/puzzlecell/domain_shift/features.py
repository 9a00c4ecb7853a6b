"""What fields and cells look like to a network: pooled features, intensities and sizes."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from puzzlecell.data.label_images import resize_labels
from puzzlecell.data.raw_files import CHANNELS
from puzzlecell.data.resize import sized_field
from puzzlecell.data.tables import read_parquet
from puzzlecell.inference.cell_features import check_finite, feature_maps, pooled
from puzzlecell.inference.predict import Paths, batches, load_networks, open_shards, shared_fields
from puzzlecell.inference.step1 import cell_numbers, pixels_by_cell
from puzzlecell.network.cam_network import CamNetwork
from puzzlecell.runtime.progress import Progress, no_progress
from puzzlecell.runtime.threads import limited_threads

FEATURES, NUCLEUS, CELL = "features", "nucleus_size", "cell_size"
ASPECTS = (FEATURES, *CHANNELS, NUCLEUS, CELL)
"""What is compared; the name of a channel stands for its intensities."""
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
"""Quantiles of the intensities of a channel."""
FLOOR = 4
"""Grey levels added to intensities before the logarithm, so that the noise of a dark background counts little."""
BATCH = 16


@dataclass(frozen=True)
class Described:
    """Fields, or cells, and what they look like.

    keys: one row each, with `ID`, and `cell` for cells. aspects: name (of `ASPECTS`) -> (n, values) float32:

    - `features`: means of the network's feature map over the field or under the cell;
    - a channel: log2(g + 4) of the quantiles g (`LEVELS`) of its grey levels, 0 to 255, in the field or the cell;
    - `nucleus_size`, `cell_size`: log2 of the diameter of a circle of the same area, in pixels of the network's input;
      of a field, that of its median cell. NaN for a cell without a nucleus and for a field without cells.
    """

    keys: pd.DataFrame
    aspects: dict[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.keys)


def describe(
    store: Paths,
    masks: Paths,
    cell_tables: Sequence[str | os.PathLike],
    model: str | os.PathLike,
    *,
    field_ids: Sequence[str] | None = None,
    device: str = "cpu",
    threads: int = 1,
    progress: Progress = no_progress,
) -> tuple[Described, Described]:
    """Describe stored fields and their cells, in the order of the store and of the cell numbers.

    store, masks, cell_tables: the shards of a data set or of several, with their cell tables (Parquet). model: the
    network, which sees each field once. field_ids: None for all fields. progress: called with the number of fields done
    and the total. Raises UserError for features that are not finite, and ValueError for a field without a label image
    or with other cells in it than in the tables.
    """
    store, masks = open_shards(store), open_shards(masks)
    wanted = shared_fields(store, masks, field_ids)
    (network,) = load_networks([model], device)
    columns = ["ID", "cell", "area_px", "nucleus_area_px"]
    known = pd.concat([read_parquet(path, columns) for path in cell_tables], ignore_index=True)
    places = known.groupby("ID").indices
    fields, cells = [_empty(network)], [_empty(network)]
    with limited_threads(threads):
        for batch in batches(wanted, BATCH):
            images = [store.read(field_id) for field_id in batch]
            seen = np.stack([sized_field(image, network.field_size) for image in images])
            maps = feature_maps(network, seen, device)
            check_finite(maps, batch, model)
            for field_id, image, features in zip(batch, images, maps, strict=True):
                labels = masks.read(field_id, "cells")
                table = known.iloc[places.get(field_id, [])].sort_values("cell")
                numbers = table["cell"].to_numpy()
                if numbers.tolist() != cell_numbers(labels).tolist():
                    raise ValueError(
                        f"field {field_id}: its label image and its cell table have different cells"
                    )
                scale = network.field_size / np.sqrt(np.prod(store.size(field_id)))
                sizes = [log_diameter(table[f"{part}area_px"].to_numpy(), scale) for part in ("nucleus_", "")]
                middle = [np.array([_median(size)]) for size in sizes]
                mean = features.mean(axis=(1, 2))[None]
                fields.append(_described(field_id, [0], mean, levels(image), middle))
                if len(table):
                    under = pooled(features, labels)
                    cells.append(_described(field_id, numbers, under, cell_levels(image, labels), sizes))
            progress(len(fields) - 1, len(wanted))
    found = joined(fields)
    return Described(found.keys[["ID"]], found.aspects), joined(cells)


def levels(image: np.ndarray) -> np.ndarray:
    """Quantiles (1, 4, len(LEVELS)) of a field (H, W, 4) uint8, as log2(g + 4)."""
    return _as_levels(image.reshape(-1, image.shape[2]))[None]


def cell_levels(image: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Quantiles (n, 4, len(LEVELS)) in the n cells of a label image, as log2(g + 4); NaN for one without a pixel.

    The label image is resized to the field (H, W, 4).
    """
    numbers, owners = cell_numbers(labels), resize_labels(labels, *image.shape[:2])
    found = np.full((len(numbers), image.shape[2], len(LEVELS)), np.nan)
    order, bounds = pixels_by_cell(owners)
    pixels = image.reshape(-1, image.shape[2])[order]
    for number, (start, end) in zip(cell_numbers(owners), pairwise(bounds), strict=True):
        found[np.searchsorted(numbers, number)] = _as_levels(pixels[start:end])
    return found


def log_diameter(areas: np.ndarray, scale: float) -> np.ndarray:
    """log2 of the diameters (n,) of circles with these areas, in pixels of the raw field; NaN for an area of 0.

    scale: pixels of the network's input per pixel of the raw field.
    """
    diameters = 2 * np.sqrt(areas / np.pi) * scale
    return np.log2(diameters, out=np.full(len(areas), np.nan), where=diameters > 0)


def joined(parts: Sequence[Described]) -> Described:
    """All rows of several parts."""
    keys = pd.concat([part.keys for part in parts], ignore_index=True)
    return Described(keys, {name: np.concatenate([part.aspects[name] for part in parts]) for name in ASPECTS})


def _as_levels(pixels: np.ndarray) -> np.ndarray:
    """Quantiles (4, len(LEVELS)) of pixels (n, 4), as log2(g + 4)."""
    return np.log2(np.quantile(pixels, LEVELS, axis=0).T + FLOOR)


def _median(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else np.nan


def _described(
    field_id: str,
    cells: Sequence[int],
    features: np.ndarray,
    quantiles: np.ndarray,
    sizes: Sequence[np.ndarray],
) -> Described:
    keys = pd.DataFrame({"ID": field_id, "cell": np.asarray(cells, np.int32)})
    values = [features, *quantiles.transpose(1, 0, 2), *(size[:, None] for size in sizes)]
    named = zip(ASPECTS, values, strict=True)
    return Described(keys, {name: value.astype(np.float32) for name, value in named})


def _empty(network: CamNetwork) -> Described:
    features, quantiles = (0, network.classifier.in_channels), (0, len(CHANNELS), len(LEVELS))
    return _described("", [], np.empty(features), np.empty(quantiles), [np.empty(0), np.empty(0)])
