"""What the segmentation found: sizes of cells and nuclei, cells at the border, and cells of each field."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from puzzlecell.data.cell_predictions import cell_quality

BINS = 30
LISTED = 12
"""Fields with the fewest and with the most cells that are listed."""


def segmentation_overview(
    cells: pd.DataFrame, fields: Sequence[str], pixel_um: Mapping[str, float]
) -> dict[str, Any]:
    """Describe the cells of a data set.

    cells: columns of `results/masks/<ds>/<sh>.cells.parquet`. fields: IDs of all fields, also of those without cells.
    pixel_um: side of a raw pixel of each field in micrometres. Areas are in square micrometres. `counts` is the number
    of fields by number of cells; `fewest` and `most` list fields as [ID, cells].
    """
    side = cells["ID"].map(pixel_um).to_numpy(np.float64)
    of_field = cells["ID"].value_counts().reindex(list(fields), fill_value=0)
    # By number and by name, so that equal numbers keep one order.
    ordered = sorted(of_field.items(), key=lambda entry: (entry[1], entry[0]))
    per_field = of_field.to_numpy()
    border = cells["touches_border"].to_numpy(bool)
    # A cell at the border is smaller than it is.
    whole = ~border
    return {
        "fields": len(fields),
        "cells": len(cells),
        "without_cells": int((per_field == 0).sum()),
        "at_border": int(border.sum()),
        "cell_area": histogram((cells["area_px"].to_numpy() * side**2)[whole]),
        "nucleus_area": histogram((cells["nucleus_area_px"].to_numpy() * side**2)[whole]),
        "quality": histogram(cell_quality(cells), (0.0, 1.0), 20),
        "per_field": count_histogram(per_field),
        "fewest": [[name, int(count)] for name, count in ordered[:LISTED]],
        "most": [[name, int(count)] for name, count in ordered[::-1][:LISTED]],
    }


def histogram(
    values: np.ndarray, limits: tuple[float, float] | None = None, bins: int = BINS
) -> dict[str, Any]:
    """Numbers of values (n,) in equal bins: `from`, `to`, `counts`, `above` (beyond the last bin), `median` or None.

    limits: of the bins; None: from 0 to the 99.5 % quantile, so that few outliers do not hide the rest.
    """
    if not len(values):
        return {"from": 0.0, "to": 0.0, "counts": [], "above": 0, "median": None}
    low, high = limits or (0.0, float(np.quantile(values, 0.995)) or 1.0)
    counts, _ = np.histogram(values, bins, (low, high))
    return {
        "from": low,
        "to": round(high, 6),
        "counts": counts.tolist(),
        "above": int((values > high).sum()),
        "median": round(float(np.median(values)), 6),
    }


def count_histogram(values: np.ndarray) -> dict[str, Any]:
    """As `histogram`, of counts (n,): the bins are equally many whole numbers wide, and none is above the last."""
    if not len(values):
        return histogram(values)
    width = -(-(int(values.max()) + 1) // BINS)
    bins = int(values.max()) // width + 1
    return histogram(values, (0, bins * width), bins)
