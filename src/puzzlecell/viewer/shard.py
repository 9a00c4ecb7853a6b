"""What the viewer knows of one shard: its chunks and its pictures, made from the stores and tables of the run."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from puzzlecell.config.score import ScoreSettings
from puzzlecell.config.view import ViewSettings
from puzzlecell.data.pixel_sizes import PixelSizes
from puzzlecell.data.store import ShardReader
from puzzlecell.data.tables import read_parquet
from puzzlecell.data.unlike import RATIO, WHERE
from puzzlecell.scoring.cell_truth import known_cells
from puzzlecell.viewer.cam_pictures import CamPictures
from puzzlecell.viewer.cells import EnsembleRules, ShardCells, ShardFiles, shard_cells
from puzzlecell.viewer.chunks import quantised
from puzzlecell.viewer.display import display_range
from puzzlecell.viewer.masks_of_classes import UNCERTAIN_BIT, class_masks
from puzzlecell.viewer.selection import picked_cells, picked_fields, picture_numbers, random_order
from puzzlecell.viewer.shapes import field_outlines, packed
from puzzlecell.viewer.sheets import cell_picture, crop_squares, field_picture, stretched

Columns = dict[str, np.ndarray]
Chunk = tuple[dict[str, object], Columns]
"""Content and columns of a chunk, for `write_chunk`."""

BOX = ["y0", "x0", "y1", "x1"]


@dataclass(frozen=True)
class ShardFacts:
    """What is not in the files of a shard.

    shards: number of shards of the data set. pixel_sizes: as far as they are stated. metadata: columns of texts with
    the IDs of the fields as `ID`, as from `metadata_columns`. every: all cells and fields get pictures.
    """

    shards: int
    pixel_sizes: PixelSizes = field(default_factory=PixelSizes)
    metadata: Mapping[str, Sequence[str]] | None = None
    score: ScoreSettings = field(default_factory=ScoreSettings)
    every: bool = False


class ShardView:
    """One shard for the viewer. Nothing is read before it is needed; images are read field by field."""

    def __init__(self, files: ShardFiles, rules: EnsembleRules, settings: ViewSettings, facts: ShardFacts):
        self.files, self.rules, self.settings, self.facts = files, rules, settings, facts
        self.store, self.masks = ShardReader([files.store]), ShardReader([files.masks])
        self.ids = self.store.ids

    @cached_property
    def cells(self) -> ShardCells:
        """The cells with their probabilities."""
        return shard_cells(self.files, self.rules)

    @cached_property
    def field_of_cell(self) -> np.ndarray:
        """Number (n,) uint32 of each cell's field."""
        return pd.Index(self.ids).get_indexer(pd.Index(self.cells.table["ID"])).astype(np.uint32)

    @cached_property
    def order(self) -> np.ndarray:
        """Random but fixed place (n,) uint32 of each cell."""
        return random_order(self.cells.table["ID"], self.cells.table["cell"])

    @cached_property
    def picked(self) -> np.ndarray:
        """Why each cell has a picture (n,) uint8; see `selection`."""
        return picked_cells(
            self.cells, self.order, self.rules.thresholds, self.settings.pictures, self.facts.shards
        )

    @cached_property
    def picture_numbers(self) -> np.ndarray:
        """Number (n,) uint32 of each cell's picture plus 1; 0: it has none."""
        picked = np.ones(len(self.cells), np.uint8) if self.facts.every else self.picked
        return picture_numbers(picked, self.cells.probabilities)

    @cached_property
    def field_pictures(self) -> np.ndarray:
        """Whether (f,) bool each field has a picture."""
        if self.facts.every:
            return np.ones(len(self.ids), bool)
        return picked_fields(self.ids, self.settings.fields, self.facts.shards)

    @cached_property
    def sizes(self) -> np.ndarray:
        """Height and width (f, 2) int64 of the fields in pixels."""
        return np.array([self.store.size(field_id) for field_id in self.ids], np.int64).reshape(-1, 2)

    @cached_property
    def squares(self) -> np.ndarray:
        """Square (n, 3) int32 that the picture of each cell shows; see `crop_squares`."""
        boxes = self.cells.table[BOX].to_numpy(np.int64)
        return crop_squares(boxes, *self.sizes[self.field_of_cell].T)

    @cached_property
    def ranges(self) -> tuple[np.ndarray, np.ndarray]:
        """Black and white (f, 4) uint8 of each field; see `display_range`."""
        found = [display_range(self.store.read(field_id)) for field_id in self.ids]
        black, white = (np.array(levels, np.uint8).reshape(-1, 4) for levels in zip(*found, strict=True))
        return black, white

    @cached_property
    def cams(self) -> CamPictures:
        """The class activation maps that there are of its fields."""
        return CamPictures(self.files.cams)

    @cached_property
    def shown_cams(self) -> np.ndarray:
        """Whether (f, C) bool there is a map of each class of each field."""
        return self.cams.shown(self.ids, len(self.rules.names))

    def cells_chunk(self) -> Chunk:
        """The chunk `cells`: fields, and cells with the probabilities of the ensemble."""
        cells, table = self.cells, self.cells.table
        metadata, codes = self._metadata()
        black, white = self.ranges if self.ids else (np.zeros((0, 4), np.uint8),) * 2
        columns: Columns = {
            "height": self.sizes[:, 0].astype(np.uint32),
            "width": self.sizes[:, 1].astype(np.uint32),
            "pixel_size_um": self.facts.pixel_sizes.of(self.store.table).astype(np.float32),
            "field_picture": self.field_pictures.astype(np.uint8),
            "black": black,
            "white": white,
            "field_unlike": self._distances(self.files.unlike_fields, ["ID"], pd.Index(self.ids)),
            "cams": class_masks(self.shown_cams),
            **codes,
            "field": self.field_of_cell,
            "cell": table["cell"].to_numpy(np.uint32),
            **{name: table[name].to_numpy(np.uint32) for name in BOX},
            "centroid": table[["centroid_y", "centroid_x"]].to_numpy(np.float32),
            "area": table["area_px"].to_numpy(np.uint32),
            "nucleus_area": table["nucleus_area_px"].to_numpy(np.uint32),
            "quality": np.round(255 * table["border_quality"] * table["outlier_quality"]).to_numpy(np.uint8),
            "touches_border": table["touches_border"].to_numpy(np.uint8),
            "scores": quantised(cells.probabilities.T),
            "disagree": quantised(cells.disagreement),
            "unlike": self._distances(self.files.unlike_cells, ["ID", "cell"], self._keys()),
            "order": self.order,
            "picked": self.picked,
            "picture": self.picture_numbers,
            "crop": self.squares,
            **self._truth(),
        }
        if cells.calibrated is not None and cells.called is not None:
            columns["calibrated"] = quantised(cells.calibrated.T)
            columns["calls"] = class_masks(cells.called)
            columns["calls"][: len(cells)][~cells.called.any(axis=1)] |= UNCERTAIN_BIT
        content: dict[str, object] = {"ids": self.ids, "metadata": metadata}
        return content, columns

    def details_chunk(self) -> Chunk:
        """The chunk `details`: probabilities by each step and member, and what is unlike the training fields."""
        named: list[dict[str, object]] = [
            {"name": f"step {step}", "step": step, "model": None, "stage": None, "weight": None}
            for step in self.cells.steps
        ]
        named += [
            {
                "name": f"step {member.step}, {member.model} {member.stage}",
                "step": member.step,
                "model": member.model,
                "stage": member.stage,
                "weight": member.weight,
            }
            for member in self.rules.settings.members
        ]
        scores = np.stack([*self.cells.steps.values(), *self.cells.members])
        content: dict[str, object] = {"predictions": named, "unlike_in": self._unlike_in()}
        return content, {"scores": quantised(scores.transpose(0, 2, 1))}

    def shapes_chunk(self) -> Chunk:
        """The chunk `shapes`: outlines of cells and nuclei."""
        rows = pd.Series(np.arange(len(self.cells))).groupby(self.field_of_cell).indices
        numbers = self.cells.table["cell"].to_numpy()
        cells: list[list[np.ndarray]] = [[] for _ in numbers]
        nuclei: list[list[np.ndarray]] = [[] for _ in numbers]
        for place, of_field in rows.items():
            for kind, found in (("cells", cells), ("nuclei", nuclei)):
                drawn = field_outlines(self.masks.read(self.ids[place], kind), *map(int, self.sizes[place]))
                for row in of_field:
                    found[row] = drawn.get(int(numbers[row]), [])
        return {"scale": 1}, {**packed("cell", cells), **packed("nucleus", nuclei)}

    def cell_pictures(self, rows: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """Row and picture of cells (see `sheets.cell_picture`), field by field. rows: (k,) of the table of cells."""
        fields = self.field_of_cell[rows]
        for place in np.unique(fields):
            image = self._shown(int(place))
            for row in rows[fields == place]:
                size = tuple(map(int, self.sizes[place]))
                yield int(row), cell_picture(image, self.squares[row], (size[0], size[1]), self.settings.tile)

    def field_picture(self, place: int) -> np.ndarray:
        """Picture of a field; see `sheets.field_picture`. place: its number."""
        return field_picture(self._shown(place), self.settings.field_tile)

    def _shown(self, place: int) -> np.ndarray:
        image = self.store.read(self.ids[place])
        return stretched(image, *display_range(image))

    def _keys(self) -> pd.Index:
        return pd.MultiIndex.from_frame(self.cells.table[["ID", "cell"]])

    def _distances(self, path: object, keys: list[str], wanted: pd.Index) -> np.ndarray:
        if path is None:
            return np.full(len(wanted), np.nan, np.float32)
        found = read_parquet(str(path), [*keys, RATIO]).set_index(keys)[RATIO]
        return found.reindex(wanted).to_numpy(np.float32)

    def _unlike_in(self) -> dict[str, str]:
        """What is unlike the training fields, in words, by row of the cell; only of cells that are unlike them."""
        if self.files.unlike_cells is None:
            return {}
        found = read_parquet(self.files.unlike_cells, ["ID", "cell", RATIO, WHERE])
        texts = found.set_index(["ID", "cell"])[WHERE].reindex(self._keys()).fillna("")
        return {str(row): text for row, text in enumerate(texts) if text}

    def _metadata(self) -> Chunk:
        given = dict(self.facts.metadata or {})
        ids = given.pop("ID", [])
        places = pd.Index(ids).get_indexer(pd.Index(self.ids))
        names: dict[str, object] = {}
        codes: Columns = {}
        for name, texts in given.items():
            own = [texts[place] if place >= 0 else "" for place in places]
            values, inverse = np.unique(np.array(own, dtype=object), return_inverse=True)
            names[name] = {"values": values.tolist()}
            codes[f"metadata.{name}"] = inverse.astype(np.uint16 if len(values) < 65536 else np.uint32)
        return names, codes

    def _truth(self) -> Columns:
        count, classes = len(self.cells), len(self.rules.names)
        shows = np.zeros((count, classes), bool)
        known = np.zeros(count, np.uint8)
        if self.files.truth is not None and count:
            table = self.cells.table[["ID", "cell"]].assign(row=np.arange(count))
            found = known_cells(
                table, self.files.truth, [self.files.masks], classes=classes, settings=self.facts.score
            )
            rows = found.cells["row"].to_numpy()
            shows[rows], known[rows] = found.truth == 1, 1
        return {"truth": class_masks(shows), "known": known}
