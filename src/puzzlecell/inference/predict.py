"""Inference: batched forward passes, test-time augmentation, and the fold models of a stage."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import numpy as np
import torch

from puzzlecell.config.steps import TtaSettings
from puzzlecell.data.store import ShardReader
from puzzlecell.errors import UserError
from puzzlecell.inference.tta import resized, scaled, turn, turn_back, views
from puzzlecell.network.cam_network import CamNetwork, load_network
from puzzlecell.network.memory import channels_last
from puzzlecell.runtime.malloc import keep_freed_memory
from puzzlecell.runtime.messages import first_few

Paths = str | os.PathLike | Sequence[str | os.PathLike] | ShardReader
"""One shard, several shards, or a reader of them."""

Item = TypeVar("Item")


def load_networks(model_paths: Sequence[str | os.PathLike], device: str) -> list[CamNetwork]:
    """Load the fold models of one stage in evaluation mode; on a CPU, this process keeps freed memory from then on.

    Raises ValueError if there are none, and UserError if they differ in classes or input sizes.
    """
    if not model_paths:
        raise ValueError("no models given: at least one model.safetensors is required")
    if device == "cpu":
        # A third to a half of the time of a prediction; the outputs are the same.
        keep_freed_memory()
    networks = [channels_last(load_network(path, device)) for path in model_paths]
    for path, network in zip(model_paths, networks, strict=True):
        for name in ("classes", "field_size", "crop_size"):
            found, expected = getattr(network, name), getattr(networks[0], name)
            if found != expected:
                raise UserError(
                    f"{path}: {name} is {found}, but {expected} in {model_paths[0]}: not models of one stage"
                )
    return networks


def predict(
    network: CamNetwork, images: np.ndarray, tta: TtaSettings, device: str, *, precision: str = "float32"
) -> tuple[np.ndarray, np.ndarray]:
    """Return logits (B, C) and class activation maps (B, C, h, w), float32, of images (B, H, W, 4) uint8 RGBY.

    Both are averaged over the views of `tta`, the maps after undoing each view's scale, flip and rotation. Logits are
    pooled maps, so the mean logits are the pooled mean maps (at one scale). precision: `float32`, or `bf16` for mixed
    precision.
    """
    batch = torch.from_numpy(np.ascontiguousarray(images)).to(device).permute(0, 3, 1, 2)
    # Scale 1 comes first, since its maps give the size of all.
    chosen = [
        (scale, view) for scale in sorted(tta.scales, key=lambda scale: scale != 1) for view in views(tta)
    ]
    logits = maps = torch.zeros((), device=device)
    mixed = torch.autocast(torch.device(device).type, torch.bfloat16, enabled=precision == "bf16")
    with torch.inference_mode(), mixed:
        for scale, view in chosen:
            seen = scaled(turn(batch, view), scale, network.settings.output_stride)
            view_logits, view_maps = network(seen.contiguous(memory_format=torch.channels_last))
            turned_back = turn_back(view_maps.float(), view)
            logits = logits + view_logits.float()
            maps = maps + (turned_back if scale == 1 else resized(turned_back, list(maps.shape[2:])))
    return (logits / len(chosen)).cpu().numpy(), (maps / len(chosen)).cpu().numpy()


def batches(
    items: Iterable[Item], size: int, kind: Callable[[Item], object] | None = None
) -> Iterator[list[Item]]:
    """Yield items in lists of `size`, each of items of one kind; the last list of a kind may be shorter."""
    waiting: dict[object, list[Item]] = {}
    for item in items:
        of_kind = None if kind is None else kind(item)
        waiting.setdefault(of_kind, []).append(item)
        if len(waiting[of_kind]) == size:
            yield waiting.pop(of_kind)
    yield from waiting.values()


def shared_fields(store: ShardReader, masks: ShardReader, field_ids: Sequence[str] | None) -> list[str]:
    """IDs to process, in the order of the store: all stored fields, or only those in `field_ids`.

    Raises ValueError naming the requested fields that are not stored or have no label image.
    """
    if field_ids is not None:
        absent = sorted(set(field_ids) - set(store.ids))
        if absent:
            raise ValueError(f"fields not in {first_few(store.paths)}: {first_few(absent, 5)}")
    wanted = store.ids if field_ids is None else [i for i in store.ids if i in set(field_ids)]
    unmasked = [field_id for field_id in wanted if field_id not in masks]
    if unmasked:
        raise ValueError(
            f"fields without label image in {first_few(masks.paths)}: {first_few(unmasked, 5)}; segment them first"
        )
    return wanted


def open_shards(paths: Paths) -> ShardReader:
    """Return a reader of one or more shards."""
    if isinstance(paths, ShardReader):
        return paths
    return ShardReader([paths] if isinstance(paths, str | os.PathLike) else paths)


def check_finite_outputs(
    logits: np.ndarray, maps: np.ndarray, field_ids: Sequence[str], model: str | os.PathLike
) -> None:
    """Raise UserError naming the fields of a batch with non-finite logits or maps."""
    good = np.isfinite(logits).all(axis=1) & np.isfinite(maps).all(axis=(1, 2, 3))
    if not good.all():
        bad = dict.fromkeys(field_id for field_id, fine in zip(field_ids, good, strict=True) if not fine)
        raise UserError(
            f"field {', '.join(bad)}: the maps or logits of {model} are not finite; "
            "its training diverged: check its history.csv and retrain with a lower learning rate"
        )
