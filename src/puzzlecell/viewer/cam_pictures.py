"""Class activation maps of a shard as pictures for the pages: grey, 255 where a map is 1."""

import os
from collections.abc import Sequence

import numpy as np

from puzzlecell.data.activation_maps import WHOLE, resized_maps
from puzzlecell.data.store import ShardReader
from puzzlecell.viewer.sheets import webp

SIDE = 256
"""Pixels of a side of a picture. It shows the whole field, stretched to a square as the stored field is."""
QUALITY = 90
"""Of WebP: maps are smooth, so that this takes a few kilobytes and changes them by a few grey levels."""


class CamPictures:
    """Maps that `snakemake cams` has made of the fields of a shard. path: its file; None: there are none."""

    def __init__(self, path: str | os.PathLike | None):
        self._maps = None if path is None else ShardReader([path])
        self._chosen: dict[str, np.ndarray] = {}
        if self._maps is not None:
            chosen = self._maps.column("chosen").astype(bool)
            self._chosen = dict(zip(self._maps.ids, chosen, strict=True))

    def shown(self, ids: Sequence[str], classes: int) -> np.ndarray:
        """Whether (f, C) bool there is a map of each class of these fields."""
        none = np.zeros(classes, bool)
        return np.array([self._chosen.get(field_id, none) for field_id in ids], bool).reshape(-1, classes)

    def picture(self, field_id: str, index: int) -> bytes:
        """The map of a class as WebP, (SIDE, SIDE) uint8. Raises KeyError if there is none; see `shown`."""
        if self._maps is None or not self._chosen[field_id][index]:
            raise KeyError(f"no map of class {index} of the field {field_id}")
        activation = self._maps.read(field_id, "maps")[index] / np.float32(WHOLE)
        enlarged = resized_maps(activation[None], SIDE, SIDE)[0]
        return webp(np.clip(np.round(255 * enlarged), 0, 255).astype(np.uint8), QUALITY)
