"""Step 1: class activation maps of a whole field, read under each cell.

Follows the published description of the MPWARE pipeline: a class of the field is assigned to the cells in which its map
is about as strong as anywhere in the field.
"""

import os
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
from scipy.special import expit

from puzzlecell.config.base import class_limit
from puzzlecell.config.steps import Step1Settings
from puzzlecell.data.activation_maps import enlarged, interpolation
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

EPSILON = 1e-5


def step1_shard(
    cells_parquet: str | os.PathLike,
    images_parquet: str | os.PathLike,
    *,
    store: Paths,
    masks: Paths,
    models: Sequence[str | os.PathLike],
    settings: Step1Settings,
    negative: int | None,
    device: str = "cpu",
    threads: int = 1,
    progress: Progress = no_progress,
) -> None:
    """Write the cell table and the field table of `step1_tables` as Parquet."""
    cells, images = step1_tables(
        store,
        masks,
        models,
        settings,
        negative=negative,
        device=device,
        threads=threads,
        progress=progress,
    )
    write_parquet(cells_parquet, cells)
    write_parquet(images_parquet, images)


def step1_tables(
    store: Paths,
    masks: Paths,
    models: Sequence[str | os.PathLike],
    settings: Step1Settings,
    *,
    negative: int | None,
    field_ids: Sequence[str] | None = None,
    device: str = "cpu",
    threads: int = 1,
    progress: Progress = no_progress,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Run step 1 with the fold models of a stage; return tables of cells `ID, cell, p00 ...` and fields `ID, p00 ...`.

    store, masks: one or more shards of stored fields and of label images. field_ids: None for all fields. negative:
    index of the class Negative, None if there is none. progress: called with the number of fields done and the total.
    Raises ValueError naming fields with non-finite maps or without a label image, and for models that are not of the
    same stage.
    """
    store, masks = open_shards(store), open_shards(masks)
    wanted = shared_fields(store, masks, field_ids)
    networks = load_networks(models, device)
    classes = len(networks[0].classes)
    ids, cells, scores, image_scores = [], [], [np.empty((0, classes))], [np.empty((0, classes))]
    with limited_threads(threads):
        for batch, outputs in field_outputs(store, wanted, networks, models, settings, device=device):
            image_scores.append(np.mean([expit(logits, dtype=np.float64) for logits, _ in outputs], axis=0))
            for row, field_id in enumerate(batch):
                labels = masks.read(field_id, "cells")
                read = [
                    step1_scores(maps[row], logits[row], labels, settings, negative)
                    for logits, maps in outputs
                ]
                scores.append(np.mean(read, axis=0))
                ids += [field_id] * len(scores[-1])
                cells += cell_numbers(labels).tolist()
            progress(sum(map(len, image_scores)), len(wanted))
    return (
        probability_table({"ID": ids, "cell": np.array(cells, np.int32)}, np.concatenate(scores)),
        probability_table({"ID": wanted}, np.concatenate(image_scores)),
    )


def field_outputs(
    store: ShardReader,
    wanted: Sequence[str],
    networks: Sequence[CamNetwork],
    models: Sequence[str | os.PathLike],
    settings: Step1Settings,
    *,
    device: str = "cpu",
) -> Iterator[tuple[list[str], list[tuple[np.ndarray, np.ndarray]]]]:
    """Yield the IDs of each batch of fields, and what the fold networks say of them: logits (B, C), maps (B, C, h, w).

    One pair of these with `average: maps`, else one for each network. models: files of the networks, for messages.
    Raises UserError naming fields with non-finite maps or logits.
    """
    size = networks[0].field_size
    for batch in batches(wanted, settings.batch_size):
        images = np.stack([sized_field(store.read(field_id), size) for field_id in batch])
        outputs = [predict(network, images, settings.tta, device) for network in networks]
        for (logits, maps), path in zip(outputs, models, strict=True):
            check_finite_outputs(logits, maps, batch, path)
        if settings.average == "maps":
            logits, maps = (np.mean(arrays, axis=0) for arrays in zip(*outputs, strict=True))
            outputs = [(logits, maps)]
        yield batch, outputs


def step1_scores(
    maps: np.ndarray,
    logits: np.ndarray,
    labels: np.ndarray,
    settings: Step1Settings,
    negative: int | None,
) -> np.ndarray:
    """Probabilities (n, C) float32 of the n cells of a field, in increasing order of their numbers.

    maps: (C, h, w) float32 class activation maps before any activation; logits: (C,); labels: (H, W) unsigned label
    image, 0 = background. negative: index of the class of cells that show nothing, None if there is no such class.

    Let A be the map after ReLU, scaled to [0, 1] and resized to the label image; p the field's probability; Q and q the
    quantiles of A over the field and over the cell. The confidence is clip(q p / Q, 0, p), and 0 if q = 0. A cell
    without any class gets the field's probability of Negative. If no cell has any class, Negative is max(p) for all
    cells if some pair of class and cell was considered and rejected, else 1 - max(p). Raises ValueError for non-finite
    maps or logits.
    """
    if not (np.isfinite(maps).all() and np.isfinite(logits).all()):
        raise ValueError("the network's maps or logits are not finite")
    order, bounds = pixels_by_cell(labels)
    probabilities = expit(logits, dtype=np.float64)
    candidates = np.flatnonzero(probabilities > settings.probability_floor)
    down, across = (interpolation(n, size) for n, size in zip(maps.shape[1:], labels.shape, strict=True))
    scores = np.zeros((len(bounds) - 1, len(logits)))
    for index in candidates:
        resized = enlarged(scaled_map(maps[index]), down, across).ravel()
        over_field = upper_quantile(resized, settings.quantile)
        in_cells = resized.take(order)
        over_cells = np.array([upper_quantile(in_cells[a:b], settings.quantile) for a, b in pairwise(bounds)])
        p = probabilities[index]
        with np.errstate(divide="ignore", invalid="ignore"):
            confidence = np.where(over_cells > 0, np.clip(over_cells * p / over_field, 0, p), 0)
        scores[:, index] = np.where(confidence > settings.keep_ratio * p, confidence, 0)
    rejected = len(candidates) * len(scores) > np.count_nonzero(scores)
    most = class_limit(settings.max_classes, len(logits))
    if np.count_nonzero(scores.any(axis=0)) > most:
        scores[:, np.argsort(-scores.max(axis=0), kind="stable")[most:]] = 0
    if negative is not None:
        kept = scores.any(axis=1)
        if kept.any():
            scores[~kept, negative] = probabilities[negative]
        else:
            scores[:, negative] = probabilities.max() if rejected else 1 - probabilities.max()
    return scores.astype(np.float32)


def scaled_map(activation: np.ndarray) -> np.ndarray:
    """Scale one map to [0, 1): relu(relu(x) - 1e-5) / (max(relu(x)) + 1e-5)."""
    positive = np.maximum(activation, 0)
    return np.maximum(positive - np.float32(EPSILON), 0) / (positive.max() + np.float32(EPSILON))


def cell_numbers(labels: np.ndarray) -> np.ndarray:
    """Cell numbers of a label image in increasing order, without the background 0."""
    return np.flatnonzero(np.bincount(labels.ravel()))[(labels == 0).any().astype(int) :]


def pixels_by_cell(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Flat indices of all cell pixels, sorted by cell, and the bounds (n + 1,) of the n cells within them."""
    counts = np.bincount(labels.ravel(), minlength=1)
    background = counts[0]
    order = np.argsort(labels.ravel(), kind="stable")[background:]
    sizes = counts[1:][counts[1:] > 0]
    return order, np.append(0, np.cumsum(sizes))


def upper_quantile(values: np.ndarray, quantile: float) -> float:
    """Quantile of non-negative values with numpy's linear interpolation, fast for high quantiles of many values.

    Few values lie above a high quantile. A bound estimated from every 16th value leaves only these and a few more to be
    partitioned; if it leaves too few, all values are partitioned.
    """
    place = quantile * (len(values) - 1)
    rank = int(place)
    needed, share = len(values) - rank, place - rank
    if needed * 16 < len(values):
        sample = values[::16]
        at = len(sample) - 1 - needed // 8
        bound = np.partition(sample, at)[at]
        top = values[values >= max(bound, np.finfo(values.dtype).tiny)]
        if len(top) >= needed:
            values, rank = top, len(top) - needed
        elif bound == 0:
            return share * float(top.min()) if len(top) == needed - 1 and needed > 1 else 0.0
    parted = np.partition(values, rank)
    low = float(parted[rank])
    return low + share * (float(parted[rank + 1 :].min()) - low) if share and needed > 1 else low
