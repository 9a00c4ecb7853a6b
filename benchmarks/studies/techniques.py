"""Techniques that others published, as short trainings from the same weights: a plain one is the control.

Each is a function that draws the batch of a step and returns its loss. What pays moves into the library; the others
stay here, so that their rows can be measured again.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  (the name everybody knows)
from cell_pupils import counted_loss
from fine_tuning import as_batch, fine_tune, turned
from pooled import cell_shares
from study_fields import label_table
from torch import Tensor
from world_members import Members

from puzzlecell.config.training import SamplerSettings
from puzzlecell.data.resize import sized_field
from puzzlecell.data.store import ShardReader
from puzzlecell.network.cam_network import CamNetwork
from puzzlecell.training.sampler import field_weights

GREEN = 1


class Field(NamedTuple):
    """A training field as the network sees it."""

    image: np.ndarray
    """(S, S, 4) uint8."""
    cells: np.ndarray
    """(S, S) label image with the cells 1 ... n."""
    labels: np.ndarray
    """(C,) float32."""
    targets: np.ndarray
    """(n, C) float32: soft targets of its cells."""


class Material(NamedTuple):
    """Fields to train on, the chance of each to be drawn, and the index of Negative."""

    fields: list[Field]
    chances: np.ndarray
    negative: int | None


def training_material(
    store: Path, classes: list[str], taught: tuple[Members, np.ndarray], side: int, negative: int | None
) -> Material:
    """Fields of the cells of `taught`, a table of predictions with the soft targets of its cells, in its order."""
    reader, (table, targets) = ShardReader([store]), taught
    labels = label_table(store, classes).set_index("ID")
    fields = []
    for field_id in dict.fromkeys(table["id"]):
        numbers = table["cell"][table["id"] == field_id]
        cells = cv2.resize(reader.read(field_id, "cells"), (side, side), interpolation=cv2.INTER_NEAREST)
        place = np.zeros(max(int(cells.max()), int(numbers.max())) + 1, np.uint16)
        place[numbers] = np.arange(1, len(numbers) + 1)
        fields.append(
            Field(
                sized_field(reader.read(field_id), side),
                place[cells],
                labels.loc[field_id].to_numpy(np.float32),
                targets[table["id"] == field_id],
            )
        )
    weights = field_weights(np.stack([field.labels for field in fields]), SamplerSettings())
    assert weights is not None
    return Material(fields, weights / weights.sum(), negative)


def train_technique(
    start: Path,
    output: Path,
    name: str,
    material: Material,
    *,
    steps: int,
    batch: int,
    rate: float,
    seed: int,
) -> None:
    """Fine-tune with one technique of `TECHNIQUES`."""
    technique = TECHNIQUES[name]

    def step_loss(network: CamNetwork, rng: np.random.Generator) -> Tensor:
        rows = rng.choice(len(material.fields), batch, p=material.chances)
        fields = [turned_field(material.fields[row], int(rng.integers(8))) for row in rows]
        return technique(network, fields, material, rng)

    fine_tune(start, output, step_loss, steps=steps, rate=rate, seed=seed)


def turned_field(field: Field, turn: int) -> Field:
    """A field in one of eight orientations."""
    return field._replace(image=turned(field.image, turn), cells=turned(field.cells, turn))


def label_loss(logits: Tensor, labels: list[np.ndarray]) -> Tensor:
    """Binary cross-entropy with the labels of the fields of a batch."""
    return F.binary_cross_entropy_with_logits(logits, torch.from_numpy(np.stack(labels)))


def plain(network: CamNetwork, fields: list[Field], material: Material, rng: np.random.Generator) -> Tensor:
    """Control: the labels of the fields, as without the puzzle."""
    logits, _ = network(as_batch([field.image for field in fields]))
    return label_loss(logits, [field.labels for field in fields])


def pooled_logits(maps: Tensor, fields: list[Field]) -> list[Tensor]:
    """Logits (n, C) of the cells of each field: means of its maps (C, h, w) under the cells."""
    found = []
    for of_field, field in zip(maps, fields, strict=True):
        shares = torch.from_numpy(cell_shares(field.cells, *of_field.shape[1:]).astype(np.float32))
        found.append(torch.einsum("chw,nhw->nc", of_field, shares) / shares.sum((1, 2))[:, None])
    return found


def shown(field: Field) -> np.ndarray:
    """Numbers from 0 of the cells that are in the label image: tiny ones can vanish as it is resized."""
    return np.unique(field.cells[field.cells > 0]).astype(int) - 1


def pooled_loss(
    network: CamNetwork, fields: list[Field], material: Material, rng: np.random.Generator
) -> Tensor:
    """Soft targets of the cells on logits pooled under them, in the field's own pass."""
    logits, maps = network(as_batch([field.image for field in fields]))
    targets = np.concatenate([field.targets[shown(field)] for field in fields])
    of_cells = counted_loss(torch.cat(pooled_logits(maps, fields)), torch.from_numpy(targets))
    return label_loss(logits, [field.labels for field in fields]) + of_cells


def softmax_pooling(
    network: CamNetwork, fields: list[Field], material: Material, rng: np.random.Generator
) -> Tensor:
    """Several instances: the cells of a field, pooled to its logits by a softmax; beside the plain loss."""
    logits, maps = network(as_batch([field.image for field in fields]))
    cells = pooled_logits(maps, fields)
    bags = torch.stack([(one.softmax(0) * one).sum(0) for one in cells])
    labels = [field.labels for field in fields]
    return label_loss(logits, labels) + label_loss(bags, labels)


def noisy_or(
    network: CamNetwork, fields: list[Field], material: Material, rng: np.random.Generator
) -> Tensor:
    """Several instances: a field shows a class if any of its cells does (noisy-or); beside the plain loss."""
    logits, maps = network(as_batch([field.image for field in fields]))
    # log(1 - p) of a field is the sum over its cells.
    absent = torch.stack([F.logsigmoid(-one).sum(0) for one in pooled_logits(maps, fields)])
    labels = torch.from_numpy(np.stack([field.labels for field in fields]))
    present = torch.log(-torch.expm1(absent.clamp(max=-1e-6)))
    return (
        label_loss(logits, [field.labels for field in fields])
        - (labels * present + (1 - labels) * absent).mean()
    )


def recomposed(
    network: CamNetwork, fields: list[Field], material: Material, rng: np.random.Generator
) -> Tensor:
    """Cells as puzzle pieces: half of the fields are recomposed of their own masked cells."""
    images = [scattered(field, shown(field), rng) if rng.random() < 0.5 else field.image for field in fields]
    return label_loss(network(as_batch(images))[0], [field.labels for field in fields])


def copies(network: CamNetwork, fields: list[Field], material: Material, rng: np.random.Generator) -> Tensor:
    """A canvas of copies of one cell, with its soft targets, in place of half of the fields."""
    images, labels = [], []
    for field in fields:
        image, label = field.image, field.labels
        if rng.random() < 0.5:
            one = int(rng.choice(shown(field)))
            image, label = scattered(field, np.full(8, one), rng), field.targets[one]
        images.append(image)
        labels.append(label)
    return counted_loss(network(as_batch(images))[0], torch.from_numpy(np.stack(labels)))


def dimmed(network: CamNetwork, fields: list[Field], material: Material, rng: np.random.Generator) -> Tensor:
    """A quarter of the fields show a single cell with little green, labelled Negative."""
    if material.negative is None:
        raise ValueError("the technique needs the class Negative")
    images, labels = [], []
    for field in fields:
        image, label = field.image, field.labels
        if rng.random() < 0.25:
            one = int(rng.choice(shown(field)))
            image = np.where((field.cells == one + 1)[..., None], image, 0).astype(np.uint8)
            image[..., GREEN] = image[..., GREEN] * rng.uniform(0, 0.2)
            label = np.zeros_like(label)
            label[material.negative] = 1
        images.append(image)
        labels.append(label)
    return label_loss(network(as_batch(images))[0], labels)


def scattered(field: Field, cells: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A black field of the same size with these cells (numbers from 0), turned, at free places if there are any."""
    side = field.image.shape[0]
    canvas, taken = np.zeros_like(field.image), np.zeros((side, side), bool)
    for cell in rng.permutation(cells):
        body = field.cells == cell + 1
        rows, columns = np.flatnonzero(body.any(1)), np.flatnonzero(body.any(0))
        box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        turn = int(rng.integers(8))
        piece, mask = turned(field.image[box], turn), turned(body[box], turn)
        height, width = mask.shape
        places = [
            (int(rng.integers(side - height + 1)), int(rng.integers(side - width + 1))) for _ in range(10)
        ]
        covered = [np.count_nonzero(taken[y : y + height, x : x + width] & mask) for y, x in places]
        y, x = places[int(np.argmin(covered))]
        free = mask & ~taken[y : y + height, x : x + width]
        canvas[y : y + height, x : x + width][free] = piece[free]
        taken[y : y + height, x : x + width] |= mask
    return canvas


Technique = Callable[[CamNetwork, list[Field], Material, np.random.Generator], Tensor]
TECHNIQUES: dict[str, Technique] = {
    "plain": plain,
    "loss on pooled cells": pooled_loss,
    "softmax pooling": softmax_pooling,
    "noisy-or": noisy_or,
    "recomposed fields": recomposed,
    "copies of one cell": copies,
    "dimmed cells": dimmed,
}
