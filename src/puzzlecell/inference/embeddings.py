"""Embeddings of cells: the features that a network of the ensemble has of a cell, before its classifier."""

import os
from collections.abc import Iterator, Sequence

import numpy as np

from puzzlecell.config.readers import SubCellSettings
from puzzlecell.config.steps import Step1Settings, Step2Settings
from puzzlecell.data.cell_crops import pooling_weights
from puzzlecell.data.embedding_file import EmbeddingWriter, embedding_writer, masks_state
from puzzlecell.data.fields import Images
from puzzlecell.data.pixel_sizes import PixelSizes
from puzzlecell.data.resize import sized_field
from puzzlecell.data.store import ShardReader
from puzzlecell.data.tables import read_parquet
from puzzlecell.inference.cell_features import check_finite, feature_maps, pooled
from puzzlecell.inference.predict import Paths, batches, load_networks, open_shards, shared_fields
from puzzlecell.inference.step1 import cell_numbers
from puzzlecell.inference.step2 import cell_crops
from puzzlecell.inference.subcell import outputs, subcell_crops
from puzzlecell.network.cam_network import CamNetwork
from puzzlecell.network.network_file import tensors_digest
from puzzlecell.network.subcell import load_subcell
from puzzlecell.runtime.malloc import keep_freed_memory
from puzzlecell.runtime.progress import Progress, no_progress
from puzzlecell.runtime.threads import limited_threads

Embedded = tuple[Sequence[str], Sequence[int], np.ndarray]
"""Some cells: IDs of their fields, numbers, and embeddings (n, D) float32."""


def embed_shard(
    path: str | os.PathLike,
    *,
    store: Paths,
    masks: Paths,
    cell_table: str | os.PathLike,
    model: str | os.PathLike,
    settings: Step1Settings | Step2Settings,
    images: Images | None = None,
    device: str = "cpu",
    threads: int = 1,
    progress: Progress = no_progress,
) -> None:
    """Write the embeddings of all cells of a shard, in the order of the cell table (see `data.embedding_file`).

    model: the network; of the folds of a stage, one, because the features of different networks are not comparable.
    Its features of each field are averaged under the cells (settings of step 1), or its features of each cell's crop
    over the region of `step2.pool` (settings of step 2): the classifier, applied to them, gives the mean of the class
    activation maps under the cell, which are the logits of step 2. There is no test-time augmentation. images: where
    the raw fields are, required for `source: raw`. Raises UserError for features that are not finite, and ValueError
    for a field without a label image or with other cells than in the table.
    """
    store, masks = open_shards(store), open_shards(masks)
    wanted = shared_fields(store, masks, None)
    table = read_parquet(cell_table, ["ID", "cell"])
    (network,) = load_networks([model], device)
    says = _made_of(model, masks, "field" if isinstance(settings, Step1Settings) else "crop")
    with limited_threads(threads), embedding_writer(path, table, network.classifier.in_channels, says) as out:
        if isinstance(settings, Step1Settings):
            found = of_fields(network, store, masks, wanted, batch_size=settings.batch_size, device=device)
        else:
            found = of_crops(network, store, masks, wanted, settings=settings, images=images, device=device)
        _write(out, found, model, len(table), progress)


def embed_read_shard(
    path: str | os.PathLike,
    *,
    store: Paths,
    masks: Paths,
    cell_table: str | os.PathLike,
    weights: str | os.PathLike,
    settings: SubCellSettings,
    pixel_sizes: PixelSizes,
    images: Images | None = None,
    device: str = "cpu",
    threads: int = 1,
    progress: Progress = no_progress,
) -> None:
    """Write the embeddings that SubCell gives the cells of a shard, as `embed_shard` does.

    weights: file of `convert_subcell`. pixel_sizes: what is stated about those of the raw fields. Raises the errors of
    `embed_shard`.
    """
    store, masks = open_shards(store), open_shards(masks)
    table = read_parquet(cell_table, ["ID", "cell"])
    if device == "cpu":
        keep_freed_memory()
    network = load_subcell(weights, device)
    says = _made_of(weights, masks, "crop")
    with limited_threads(threads), embedding_writer(path, table, network.layout.embedding, says) as out:
        crops = subcell_crops(store, masks, settings, network.layout, pixel_sizes=pixel_sizes, images=images)
        found = (
            (ids, numbers, outputs(network, np.stack(cut), device, settings.precision)[1])
            for ids, numbers, cut in (
                zip(*batch, strict=True) for batch in batches(crops, settings.batch_size)
            )
        )
        _write(out, found, weights, len(table), progress)


def _made_of(weights: str | os.PathLike, masks: ShardReader, seen: str) -> dict[str, str]:
    """Attributes of a file: the network, and what it saw of which cells."""
    return {
        "model": os.fspath(weights),
        "network": tensors_digest(weights),
        "of": seen,
        "masks": masks_state(masks),
    }


def _write(
    out: EmbeddingWriter, found: Iterator[Embedded], model: str | os.PathLike, total: int, progress: Progress
) -> None:
    """Write embeddings; raises UserError naming the fields of those that are not finite."""
    done = 0
    for ids, cells, values in found:
        check_finite(values[:, :, None, None], ids, model)
        out.write(ids, cells, values)
        done += len(ids)
        progress(done, total)


def of_fields(
    network: CamNetwork,
    store: ShardReader,
    masks: ShardReader,
    wanted: Sequence[str],
    *,
    batch_size: int,
    device: str = "cpu",
) -> Iterator[Embedded]:
    """Embeddings of the cells of each field: means of its feature map under them."""
    for batch in batches(wanted, batch_size):
        seen = np.stack([sized_field(store.read(field_id), network.field_size) for field_id in batch])
        for field_id, features in zip(batch, feature_maps(network, seen, device), strict=True):
            labels = masks.read(field_id, "cells")
            numbers = cell_numbers(labels).tolist()
            yield [field_id] * len(numbers), numbers, pooled(features, labels)


def of_crops(
    network: CamNetwork,
    store: ShardReader,
    masks: ShardReader,
    wanted: Sequence[str],
    *,
    settings: Step2Settings,
    images: Images | None = None,
    device: str = "cpu",
) -> Iterator[Embedded]:
    """Embeddings of cells in batches of crops of one size: means of their feature maps over the cell or the canvas."""
    crops = cell_crops(store, masks, wanted, network, settings=settings, images=images)
    for batch in batches(crops, settings.batch_size, lambda item: len(item[2])):
        ids, numbers, cut = zip(*batch, strict=True)
        pixels, shares = np.split(np.stack(cut), [4], axis=3)
        maps = feature_maps(network, pixels, device, precision=settings.precision)
        if settings.pool == "canvas":
            yield ids, numbers, maps.mean(axis=(2, 3))
            continue
        weights = pooling_weights(shares[..., 0], maps.shape[2:])
        weights /= weights.sum(axis=(1, 2), keepdims=True)
        yield ids, numbers, np.einsum("ndhw,nhw->nd", maps, weights, optimize=True)
