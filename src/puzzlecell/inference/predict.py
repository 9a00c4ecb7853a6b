"""Forward passes without gradients: batches, several views, several fold models."""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import cv2
import numpy as np
import torch

from puzzlecell.config.steps import TtaSettings
from puzzlecell.data.store import ShardReader
from puzzlecell.inference.tta import turn, turn_back, views
from puzzlecell.network.cam_network import CamNetwork, load_network

Paths = str | os.PathLike | Sequence[str | os.PathLike]
"""One shard or several."""


@contextmanager
def limited_threads(threads: int) -> Iterator[None]:
    """Compute with so many threads in PyTorch and OpenCV, and restore what was set before."""
    torch_threads, cv_threads = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(torch_threads)
        cv2.setNumThreads(cv_threads)


def load_networks(model_paths: Sequence[str | os.PathLike], device: str) -> list[CamNetwork]:
    """The fold models of one stage, in evaluation mode on a device.

    Raises ValueError where there is none, or where they differ in classes or sizes.
    """
    if not model_paths:
        raise ValueError("no model to predict with: give at least one model.safetensors")
    networks = [load_network(path, device).to(memory_format=torch.channels_last) for path in model_paths]
    for path, network in zip(model_paths, networks, strict=True):
        for name in ("classes", "field_size", "crop_size"):
            found, expected = getattr(network, name), getattr(networks[0], name)
            if found != expected:
                raise ValueError(
                    f"{path}: {name} is {found}, but {expected} in {model_paths[0]}: not the same stage"
                )
    return networks


def predict(
    network: CamNetwork, images: np.ndarray, tta: TtaSettings, device: str
) -> tuple[np.ndarray, np.ndarray]:
    """Logits (B, C) and class activation maps (B, C, h, w), float32, of images (B, H, W, 4) uint8 RGBY.

    Both are means over the views of `tta`; the maps are turned back before. The logits are pooled maps, so
    their mean is the pooled mean map.
    """
    batch = torch.from_numpy(np.ascontiguousarray(images)).to(device).permute(0, 3, 1, 2)
    chosen = views(tta)
    logits = maps = 0
    with torch.inference_mode():
        for view in chosen:
            seen = turn(batch, view).contiguous(memory_format=torch.channels_last)
            view_logits, view_maps = network(seen)
            logits = logits + view_logits.float()
            maps = maps + turn_back(view_maps.float(), view)
    return (logits / len(chosen)).cpu().numpy(), (maps / len(chosen)).cpu().numpy()


def batches(items: Iterable, size: int) -> Iterator[list]:
    """Items in lists of `size`, the last one shorter."""
    batch = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def shared_fields(store: ShardReader, masks: ShardReader, field_ids: Sequence[str] | None) -> list[str]:
    """IDs to work on, in the store's order: all of its fields, or those of `field_ids`.

    Raises ValueError naming the fields that are asked for but not stored, or that have no label image.
    """
    if field_ids is not None:
        absent = sorted(set(field_ids) - set(store.ids))
        if absent:
            raise ValueError(f"fields not in {_names(store)}: {_few(absent)}")
    wanted = store.ids if field_ids is None else [i for i in store.ids if i in set(field_ids)]
    unmasked = [field_id for field_id in wanted if field_id not in masks]
    if unmasked:
        raise ValueError(
            f"fields without label image in {_names(masks)}: {_few(unmasked)}; segment them first"
        )
    return wanted


def open_shards(paths: Paths) -> ShardReader:
    """A reader of one shard or of several."""
    return ShardReader([paths] if isinstance(paths, str | os.PathLike) else paths)


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)) in float64, without overflow."""
    logits = np.asarray(logits, np.float64)
    decay = np.exp(-np.abs(logits))
    return np.where(logits >= 0, 1, decay) / (1 + decay)


def _names(reader: ShardReader) -> str:
    return ", ".join(map(str, reader.paths))


def _few(values: Sequence[str]) -> str:
    return ", ".join(values[:5]) + (f" and {len(values) - 5} more" if len(values) > 5 else "")
