"""Training on crops of single cells: which cells, how they are cut, and logits read under the cell."""

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F  # noqa: N812  (the name everybody knows)
from torch import Tensor
from torch.utils.data import Dataset

from puzzlecell.data.cell_crops import Box, cut_cell, numbered_boxes
from puzzlecell.data.resize import sized_field
from puzzlecell.data.store import ShardReader
from puzzlecell.errors import UserError
from puzzlecell.network.puzzle import PuzzleOutput
from puzzlecell.runtime.messages import first_few
from puzzlecell.training.augment import Augmenter
from puzzlecell.training.run import CellData
from puzzlecell.training.samples import Sample

KEPT_BYTES = 512 * 2**20
"""Most bytes of decoded fields that a process keeps; randomly drawn cells come back to the same fields."""


class CroppedCells:
    """Cells cut from stored fields as step 2 cuts them, by row of a list of cells."""

    def __init__(self, reader: ShardReader, cells: CellData, ids: Sequence[str], numbers: Sequence[int]):
        self.reader, self.masks, self.geometry = reader, ShardReader(cells.masks), cells.geometry
        self.ids, self.numbers = list(ids), [int(number) for number in numbers]
        self._kept: OrderedDict[str, tuple[np.ndarray, np.ndarray, dict[int, Box]]] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self.ids)

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_kept": OrderedDict(), "_bytes": 0}

    def name(self, row: int) -> str:
        """Name of a cell in messages."""
        return f"{self.ids[row]} cell {self.numbers[row]}"

    def crop(self, row: int) -> np.ndarray:
        """Return the crop of a cell, (canvas, canvas, 5) uint8: the four channels and the cell's share.

        Raises UserError if the label image has no such cell.
        """
        image, labels, boxes = self._field(self.ids[row])
        if self.numbers[row] not in boxes:
            raise UserError(
                f"{first_few(self.masks.paths)}: field {self.ids[row]} has no cell {self.numbers[row]}; found "
                f"{len(boxes)} cells. The targets belong to other label images; delete them and start again"
            )
        return cut_cell(image, labels, self.numbers[row], boxes[self.numbers[row]], self.geometry)

    def _field(self, field_id: str) -> tuple[np.ndarray, np.ndarray, dict[int, Box]]:
        """A field at the network's size (as stored if cells are enlarged), its label image and boxes of its cells."""
        if field_id in self._kept:
            self._kept.move_to_end(field_id)
            return self._kept[field_id]
        image, labels = self.reader.read(field_id), self.masks.read(field_id, "cells")
        if self.geometry.fixed:
            image = sized_field(image, self.geometry.field_size)
        found = image, labels, dict(numbered_boxes(labels))
        self._kept[field_id] = found
        self._bytes += image.nbytes + labels.nbytes
        while self._bytes > KEPT_BYTES and len(self._kept) > 1:
            _, (oldest, its_labels, _) = self._kept.popitem(last=False)
            self._bytes -= oldest.nbytes + its_labels.nbytes
        return found


class TrainingCells(Dataset):
    """Augmented crops, indexed by (epoch, position in the epoch, row)."""

    def __init__(self, cells: CroppedCells, targets: np.ndarray, augmenter: Augmenter):
        self.cells, self.labels, self.augmenter = cells, targets.astype(np.float32), augmenter

    def __len__(self) -> int:
        return len(self.cells)

    def name(self, row: int) -> str:
        """Name of a cell in messages."""
        return self.cells.name(row)

    def __getitem__(self, place: tuple[int, int, int]) -> Sample:
        epoch, position, row = place
        image, share = self.augmenter.with_share(self.cells.crop(row), epoch, position)
        return Sample(image, self.labels[row], row, share)


class WholeCells(Dataset):
    """Crops without augmentation, indexed by row."""

    def __init__(self, cells: CroppedCells, targets: np.ndarray):
        self.cells, self.labels = cells, targets.astype(np.float32)

    def __len__(self) -> int:
        return len(self.cells)

    def name(self, row: int) -> str:
        """Name of a cell in messages."""
        return self.cells.name(row)

    @property
    def keys(self) -> pd.DataFrame:
        """Columns `ID, cell` of the rows."""
        return pd.DataFrame(
            {"ID": pd.array(self.cells.ids, dtype=object), "cell": np.array(self.cells.numbers, np.int32)}
        )

    def __getitem__(self, row: int) -> Sample:
        crop = self.cells.crop(row)
        return Sample(np.ascontiguousarray(crop[..., :4]), self.labels[row], row, crop[..., 4].copy())


def read_under_cells(output: PuzzleOutput, shares: Tensor) -> PuzzleOutput:
    """Replace the logits by means of the maps weighted by the cells' shares (B, canvas, canvas), as in step 2.

    The weights of `pooling_weights`, computed on the device: the canvas is a multiple of the network's output stride,
    so that a pixel of a map covers whole pixels of the canvas.
    """
    maps = output.maps.float()
    weights = F.interpolate(shares[:, None].float(), size=maps.shape[2:], mode="area")
    weights = torch.where(weights.sum((2, 3), keepdim=True) > 0, weights, torch.ones_like(weights))
    return output._replace(logits=(maps * weights).sum((2, 3)) / weights.sum((2, 3)))
