"""The cells of a field as GeoJSON, as QuPath reads and writes it.

A FeatureCollection with one feature per cell: `geometry` is the cell, `nucleusGeometry` its nucleus, and `properties`
hold QuPath's `objectType`, `name`, `classification`, `measurements` (an object since QuPath 0.4) and `metadata` (since
0.5). Coordinates are pixels of the raw field, x before y, y downwards, (0, 0) the outer corner of the first pixel.
"""

import json
import math
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from puzzlecell.formats.answer import most_probable
from puzzlecell.formats.answer_columns import CALLS, AnswerColumns
from puzzlecell.formats.class_colours import Rgb
from puzzlecell.formats.field_files import FieldCells
from puzzlecell.formats.polygons import Polygon

_NAMESPACE = uuid.UUID("6f2b7c1e-6f0d-4e43-9f6e-1d8a0c5b7a90")


@dataclass(frozen=True)
class GeoJsonWriter:
    """Makes the file of a field; see `export_fields`. dataset: part of the identity of a cell."""

    dataset: str
    classes: Sequence[str]
    colours: Mapping[str, Rgb]

    def __call__(self, field: FieldCells, columns: AnswerColumns) -> bytes:
        """Return the FeatureCollection as UTF-8; cells without a pixel at the size of the raw field are left out."""
        top = most_probable(field.cells[list(columns.probabilities)].to_numpy())
        features = [
            self._feature(field, row, None if index < 0 else self.classes[index], columns)
            for row, index in zip(field.cells.to_dict("records"), top, strict=True)
            if row["cell"] in field.outlines
        ]
        content = {"type": "FeatureCollection", "features": features}
        return json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()

    def _feature(
        self, field: FieldCells, row: Mapping[str, Any], name: str | None, columns: AnswerColumns
    ) -> dict[str, Any]:
        number = int(row["cell"])
        nucleus = field.nuclei.get(number)
        texts = {"ID": field.field_id, "cell": str(number), **{key: row[key] for key in columns.metadata}}
        if columns.calls:
            texts[CALLS] = row[CALLS]
        return {
            "type": "Feature",
            # QuPath tells objects apart by it; it stays the same when the file is made again.
            "id": str(uuid.uuid5(_NAMESPACE, f"{self.dataset}/{field.field_id}/{number}")),
            "geometry": geometry(field.outlines[number]),
            **({"nucleusGeometry": geometry(nucleus)} if nucleus else {}),
            "properties": {
                "objectType": "cell",
                "name": f"{field.field_id}:{number}",
                **({"classification": {"name": name, "color": list(self.colours[name])}} if name else {}),
                "measurements": self._measurements(row, columns),
                "metadata": texts,
            },
        }

    def _measurements(self, row: Mapping[str, Any], columns: AnswerColumns) -> dict[str, float]:
        named = [
            *(
                (f"probability: {name}", row[key])
                for name, key in zip(self.classes, columns.probabilities, strict=True)
            ),
            *(
                (f"calibrated: {name}", row[key])
                for name, key in zip(self.classes, columns.calibrated, strict=False)
            ),
            *((key, row[key]) for key in columns.cell),
        ]
        # JSON has no NaN.
        return {name: _shortest(value) for name, value in named if not math.isnan(value)}


def geometry(parts: Sequence[Polygon]) -> dict[str, Any]:
    """A Polygon, or a MultiPolygon of several, with closed rings."""
    coordinates = [[_closed(ring) for ring in polygon] for polygon in parts]
    if len(parts) == 1:
        return {"type": "Polygon", "coordinates": coordinates[0]}
    return {"type": "MultiPolygon", "coordinates": coordinates}


def _closed(ring: np.ndarray) -> list[list[float]]:
    points = [[_shortest(x), _shortest(y)] for x, y in ring.tolist()]
    return [*points, points[0]]


def _shortest(value: float) -> float:
    """A number with up to seven significant digits, without a decimal point if it is whole."""
    number = float(f"{value:.7g}")
    return int(number) if number.is_integer() else number
