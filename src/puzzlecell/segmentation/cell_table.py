"""Cell table: geometry (in pixels of the original field) and quality of every cell."""

import numpy as np
import pandas as pd
from skimage.measure import regionprops

from puzzlecell.config.segmentation import QualitySettings
from puzzlecell.data.label_images import nearest_index, resize_labels

CELL_COLUMNS = {
    "ID": "str",
    "cell": "int32",
    "area_px": "int64",
    "centroid_y": "float64",
    "centroid_x": "float64",
    "y0": "int32",
    "x0": "int32",
    "y1": "int32",
    "x1": "int32",
    "touches_border": "bool",
    "nucleus_area_px": "int64",
    "border_quality": "float64",
    "outlier_quality": "float64",
}


def cell_table(
    field_id: str,
    image: np.ndarray,
    cells: np.ndarray,
    nuclei: np.ndarray,
    settings: QualitySettings,
    *,
    height: int,
    width: int,
) -> pd.DataFrame:
    """Return a table with one row per cell, in the order of the cell numbers, and the columns `CELL_COLUMNS`.

    image: (h, w, 4) RGBY of any size; cells, nuclei: (m, n) unsigned label images with the same numbers.
    height, width: size of the original field. Area, centroid (in pixel-centre coordinates) and bounding box
    [y0, y1) x [x0, x1) are those of the label image resized to the original field by nearest-neighbour
    interpolation, as in the submission.
    """
    rows, columns = nearest_index(cells.shape[0], height), nearest_index(cells.shape[1], width)
    row_sums, column_sums = _axis_sums(rows, cells.shape[0]), _axis_sums(columns, cells.shape[1])
    nucleus_pixels = np.bincount(
        nuclei.ravel(),
        weights=np.outer(row_sums[0], column_sums[0]).ravel(),
        minlength=int(cells.max(initial=0)) + 1,
    )
    border = border_quality(image, cells, nuclei, settings)
    outlier = outlier_quality(image, cells, border, settings)
    records = []
    for region in regionprops(cells):
        y0, x0, y1, x1 = region.bbox
        inside = region.image
        count_y, count_x = row_sums[0][y0:y1], column_sums[0][x0:x1]
        per_row = inside @ count_x
        area = float(count_y @ per_row)
        if area == 0:
            centre = (
                (y0 + y1) / 2 / cells.shape[0] * height - 0.5,
                (x0 + x1) / 2 / cells.shape[1] * width - 0.5,
            )
        else:
            centre = (
                float(row_sums[1][y0:y1] @ per_row) / area,
                float((count_y @ inside) @ column_sums[1][x0:x1]) / area,
            )
        records.append(
            {
                "ID": field_id,
                "cell": region.label,
                "area_px": round(area),
                "centroid_y": centre[0],
                "centroid_x": centre[1],
                "y0": np.searchsorted(rows, y0),
                "x0": np.searchsorted(columns, x0),
                "y1": np.searchsorted(rows, y1),
                "x1": np.searchsorted(columns, x1),
                "touches_border": y0 == 0 or x0 == 0 or y1 == cells.shape[0] or x1 == cells.shape[1],
                "nucleus_area_px": round(nucleus_pixels[region.label]),
                "border_quality": border[region.label],
                "outlier_quality": outlier[region.label],
            }
        )
    return pd.DataFrame.from_records(records, columns=list(CELL_COLUMNS)).astype(CELL_COLUMNS)


def _axis_sums(index: np.ndarray, stored: int) -> tuple[np.ndarray, np.ndarray]:
    """Return, for each stored row (or column), the number of original ones it covers and the sum of their indices."""
    count = np.bincount(index, minlength=stored).astype(float)
    return count, np.bincount(index, weights=np.arange(len(index)), minlength=stored)


def border_quality(
    image: np.ndarray, cells: np.ndarray, nuclei: np.ndarray, settings: QualitySettings
) -> np.ndarray:
    """Return (n + 1,) float64; entry k is the border quality of cell k, entry 0 is unused.

    CroDoc's rule: for each axis r = (side - cut) / side, where side is the length of the nucleus's bounding box
    along a border, and cut is the number of nucleus pixels on an edge of the box (the larger of the two opposite
    edges). Quality is 1 for r > border_full, (r / border_full)^0.1 (published as (3.33 r)^0.1) for r > border_none
    and border_floor otherwise; the values of both axes are multiplied. Unlike the published rule, an edge of the box
    counts only if it lies on the field's border, so a whole nucleus has quality 1 whatever its shape. A cell without
    a nucleus, or without blue signal in it, gets no_nucleus.
    """
    quality = np.full(int(cells.max(initial=0)) + 1, settings.no_nucleus)
    quality[0] = 1
    blue = _sums(image[..., 2], nuclei, len(quality))
    for region in regionprops(nuclei):
        if blue[region.label] == 0:
            continue
        y0, x0, y1, x1 = region.bbox
        inside = region.image
        top, bottom = inside[0].sum() * (y0 == 0), inside[-1].sum() * (y1 == nuclei.shape[0])
        left, right = inside[:, 0].sum() * (x0 == 0), inside[:, -1].sum() * (x1 == nuclei.shape[1])
        quality[region.label] = _cut_quality(max(top, bottom) / (x1 - x0), settings) * _cut_quality(
            max(left, right) / (y1 - y0), settings
        )
    return quality


def _cut_quality(cut: float, settings: QualitySettings) -> float:
    ratio = 1 - cut
    if ratio > settings.border_full:
        return 1.0
    if ratio > settings.border_none:
        return (ratio / settings.border_full) ** 0.1
    return settings.border_floor


def outlier_quality(
    image: np.ndarray, cells: np.ndarray, border: np.ndarray, settings: QualitySettings
) -> np.ndarray:
    """Return (n + 1,) float64; entry k is the outlier quality of cell k, entry 0 is unused.

    CroDoc's rule: take the mean, over the field's valid cells (border quality above no_nucleus), of each cell's
    sum of red, and of the product of its sums of blue and yellow. A valid cell below red_fraction of the first mean or
    below blue_yellow_fraction of the second is an outlier. Invalid cells get 1, because their border quality already
    discounts them.
    """
    quality = np.ones(len(border))
    valid = border > settings.no_nucleus
    valid[0] = False
    if not valid.any():
        return quality
    red, blue, yellow = (_sums(image[..., channel], cells, len(border)) for channel in (0, 2, 3))
    product = blue * yellow
    poor = (red < settings.red_fraction * red[valid].mean()) | (
        product < settings.blue_yellow_fraction * product[valid].mean()
    )
    quality[valid & poor] = settings.outlier
    return quality


def _sums(channel: np.ndarray, labels: np.ndarray, count: int) -> np.ndarray:
    """Return the sum of a channel over each label; the labels are resized to the channel."""
    return np.bincount(
        resize_labels(labels, *channel.shape).ravel(), weights=channel.ravel(), minlength=count
    )
