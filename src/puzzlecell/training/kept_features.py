"""Fields as a training with a frozen backbone sees them: features that were computed before."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from torch.utils.data import Dataset

from puzzlecell.data.feature_maps import view_name, views_of
from puzzlecell.data.store import ShardReader
from puzzlecell.training.samples import Sample


class KeptFeatures(Dataset):
    """Feature maps of fields, by row of a list of fields."""

    def __init__(self, reader: ShardReader, ids: Sequence[str], labels: np.ndarray):
        self.reader, self.ids, self.labels = reader, list(ids), labels.astype(np.float32)

    def __len__(self) -> int:
        return len(self.ids)

    def name(self, row: int) -> str:
        """Name of a field in messages."""
        return self.ids[row]


class TrainingFeatures(KeptFeatures):
    """One view of each field, drawn at random and cropped, indexed by (epoch, position in the epoch, row).

    crop: side of the crop in pixels of the feature maps. View and place of the crop depend only on the seed, the epoch
    and the position.
    """

    def __init__(self, reader: ShardReader, ids: Sequence[str], labels: np.ndarray, crop: int, seed: int):
        super().__init__(reader, ids, labels)
        self.crop, self.seed, self.views = crop, seed, views_of(reader)

    def __getitem__(self, place: tuple[int, int, int]) -> Sample:
        epoch, position, row = place
        generator = np.random.default_rng((self.seed, epoch, position))
        maps = self.reader.read(self.ids[row], view_name(int(generator.integers(self.views))))
        y, x = (int(generator.integers(side - self.crop + 1)) for side in maps.shape[1:])
        return Sample(
            np.ascontiguousarray(maps[:, y : y + self.crop, x : x + self.crop]), self.labels[row], row
        )


class WholeFeatures(KeptFeatures):
    """The first view of whole fields, indexed by row."""

    @property
    def keys(self) -> pd.DataFrame:
        """Column `ID` of the rows."""
        return pd.DataFrame({"ID": pd.array(self.ids, dtype=object)})

    def __getitem__(self, row: int) -> Sample:
        return Sample(self.reader.read(self.ids[row], view_name(0)), self.labels[row], row)
