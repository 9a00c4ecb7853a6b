"""Pupils: a network that is trained on crops of cells, with soft targets that other models gave out of fold."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F  # noqa: N812  (the name everybody knows)
from fine_tuning import as_batch, fine_tune, turned
from torch import Tensor
from world_members import Members

from puzzlecell.config.steps import Step2Settings
from puzzlecell.data.cell_crops import crop_geometry, cut_cells, pooling_weights
from puzzlecell.data.resize import sized_field
from puzzlecell.data.store import ShardReader
from puzzlecell.network.cam_network import CamNetwork
from puzzlecell.teaching.targets import soft_targets


def recipe_targets(
    oof: Members, labels: pd.DataFrame, recipe: dict[str, Any], negative: int | None
) -> np.ndarray:
    """Targets (n, C) float32 of the cells of a table of out-of-fold predictions; NaN where a class is ignored.

    recipe: `teachers` (names of readings), `combine` (mean or product), `divide` by the largest target of the cell,
    `ignore` (targets strictly between these two are NaN), or `truth: true` for the true classes.
    """
    if recipe.get("truth"):
        return oof["truth"].astype(np.float32)
    teachers = np.stack([oof[name].astype(np.float64) for name in recipe["teachers"]])
    present = labels.set_index("ID").loc[oof["id"]].to_numpy() > 0
    weights = np.ones(len(teachers))
    targets = soft_targets(teachers, weights, recipe["combine"], present=present, negative=negative)
    if recipe["divide"]:
        targets /= np.maximum(targets.max(1, keepdims=True), 1e-6)
    if recipe.get("ignore"):
        low, high = recipe["ignore"]
        targets[(targets > low) & (targets < high)] = np.nan
    return targets.astype(np.float32)


class Crops:
    """Crops of the cells of some fields, as step 2 cuts them, kept in memory."""

    def __init__(self, store: Path, ids: np.ndarray, cells: np.ndarray, field_size: int):
        reader = ShardReader([store])
        geometry = crop_geometry(Step2Settings(), field_size, field_size)
        images, shares = [], []
        for field_id in dict.fromkeys(ids):
            labels = reader.read(field_id, "cells")
            cut, share = cut_cells(sized_field(reader.read(field_id), field_size), labels, geometry)
            images.append(cut)
            shares.append(share)
        self.pixels = np.concatenate([np.concatenate(images), np.concatenate(shares)[..., None]], -1)
        if len(self.pixels) != len(cells):
            raise ValueError(f"{store}: {len(self.pixels)} cells are cut, but {len(cells)} have targets")


def drawn(crop: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Light augmentation of a crop with its share as fifth channel: turned, and half of the time moved and resized."""
    crop = turned(crop, int(rng.integers(8)))
    if rng.random() < 0.5:
        side = crop.shape[0]
        matrix = cv2.getRotationMatrix2D((side / 2, side / 2), 0, rng.uniform(0.9, 1.1))
        matrix[:, 2] += rng.uniform(-0.05, 0.05, 2) * side
        planes = np.ascontiguousarray(crop)
        moved = [cv2.warpAffine(planes[..., part], matrix, (side, side)) for part in (slice(4), slice(4, 5))]
        crop = np.dstack(moved)
    return crop


def train_pupil(
    start: Path, output: Path, crops: Crops, targets: np.ndarray, recipe: dict[str, Any], *, seed: int
) -> None:
    """Train a network on crops with targets (n, C), drawn by class."""
    chances = draw_chances(np.nan_to_num(targets))

    def step_loss(network: CamNetwork, rng: np.random.Generator) -> Tensor:
        rows = rng.choice(len(targets), recipe["batch"], p=chances)
        pixels = [drawn(crops.pixels[row], rng) for row in rows]
        _, maps = network(as_batch([crop[..., :4] for crop in pixels]))
        under = pooling_weights(np.stack([crop[..., 4] for crop in pixels]), tuple(maps.shape[2:]))
        logits = torch.einsum("nchw,nhw->nc", maps, torch.from_numpy(np.asarray(under, np.float32)))
        return counted_loss(logits / float_sums(under), torch.from_numpy(targets[rows]))

    fine_tune(start, output, step_loss, steps=recipe["steps"], rate=recipe["rate"], seed=seed)


def draw_chances(targets: np.ndarray) -> np.ndarray:
    """Chance (n,) of each cell to be drawn: the mean of 1 / (sum of a class's targets), weighted by its targets.

    As in class-balanced sampling of fields, the weights of the rarest classes are capped at that of the third rarest.
    """
    sums = targets.sum(0, dtype=np.float64)
    weights = np.where(sums > 0, 1 / np.maximum(sums, 1e-9), 0)
    weights = np.minimum(weights, np.sort(weights)[::-1][min(3, len(weights)) - 1])
    chances = (targets * weights).sum(1) / np.maximum(targets.sum(1), 1e-9)
    return chances / chances.sum()


def float_sums(weights: np.ndarray) -> Tensor:
    """Sums (n, 1) of weights (n, h, w)."""
    return torch.from_numpy(weights.sum((1, 2))[:, None].astype(np.float32))


def counted_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean binary cross-entropy over targets that are not NaN."""
    counts = ~torch.isnan(targets)
    loss = F.binary_cross_entropy_with_logits(logits, torch.nan_to_num(targets), reduction="none")
    return (loss * counts).sum() / counts.sum().clamp(min=1)
