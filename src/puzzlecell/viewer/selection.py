"""Which cells and fields get a picture."""

import hashlib
import math
from collections.abc import Sequence

import numpy as np

from puzzlecell.config.view import ViewPictures
from puzzlecell.viewer.cells import ShardCells
from puzzlecell.viewer.chunks import quantised

CONFIDENT, UNCERTAIN, DISAGREE, RANDOM, SAMPLE = 1, 2, 4, 8, 16
"""Bits that say why a cell has a picture."""


def share(number: int, shards: int) -> int:
    """How many of `number` cells each shard gets, rounded up, so that a change of one shard changes no other."""
    return math.ceil(number / shards)


def random_order(ids: Sequence[str], cells: Sequence[int]) -> np.ndarray:
    """Random but fixed place (n,) uint32 of each cell: BLAKE2b of its field's ID and its number."""
    return np.array(
        [
            int.from_bytes(hashlib.blake2b(f"{field_id}\n{cell}".encode(), digest_size=4).digest(), "big")
            for field_id, cell in zip(ids, cells, strict=True)
        ],
        np.uint32,
    )


def picked_cells(
    cells: ShardCells, order: np.ndarray, thresholds: np.ndarray, settings: ViewPictures, shards: int
) -> np.ndarray:
    """Why each cell has a picture: (n,) uint8, bits as above, 0 for none.

    order: `random_order` of the cells, which also decides between equal ones. thresholds: (C,) probabilities at which
    it is most uncertain whether a cell shows a class; they are those of calibrated probabilities if there are any.
    Values are compared as the viewer has them, in steps of 1 / 65535, so that its orders begin with these cells.
    """
    picked = np.zeros(len(cells), np.uint8)
    if not len(cells):
        return picked
    scores = quantised(cells.probabilities).astype(np.int64)
    compared = scores if cells.calibrated is None else quantised(cells.calibrated).astype(np.int64)
    away = np.abs(compared - quantised(thresholds).astype(np.int64))
    differ = quantised(cells.disagreement).astype(np.int64)
    top = most_probable(scores)
    every = np.arange(len(cells))

    def pick(bit: int, among: np.ndarray, key: np.ndarray, number: int) -> None:
        first = np.lexsort((order[among], key[among]))[: share(number, shards)]
        picked[among[first]] |= bit

    for index in range(scores.shape[1]):
        shown = np.flatnonzero(top == index)
        pick(CONFIDENT, every, -scores[:, index], settings.confident)
        pick(UNCERTAIN, every, away[:, index], settings.uncertain)
        if {1, 2} <= set(cells.steps):
            pick(DISAGREE, shown, -differ, settings.disagree)
        pick(RANDOM, shown, order, settings.random)
    pick(SAMPLE, every, order, settings.sample)
    return picked


def most_probable(scores: np.ndarray) -> np.ndarray:
    """Index (n,) of the class with the highest score of each cell, the first of equal ones."""
    return scores.argmax(axis=1)


def picture_numbers(picked: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Number (n,) uint32 of each cell's picture plus 1, 0 for cells without one.

    They are numbered by most probable class and falling probability, because the viewer shows them so: pictures that
    are seen together lie in the same sheets.
    """
    numbers = np.zeros(len(picked), np.uint32)
    chosen = np.flatnonzero(picked)
    if len(chosen):
        scores = quantised(probabilities[chosen]).astype(np.int64)
        order = np.lexsort((-scores.max(axis=1), most_probable(scores)))
        numbers[chosen[order]] = np.arange(1, len(chosen) + 1)
    return numbers


def picked_fields(ids: Sequence[str], number: int, shards: int) -> np.ndarray:
    """Whether (f,) bool each field of a shard has a picture."""
    picked = np.zeros(len(ids), bool)
    picked[np.argsort(random_order(ids, [0] * len(ids)), kind="stable")[: share(number, shards)]] = True
    return picked
