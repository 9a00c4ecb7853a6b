"""What the warnings about a data set are based on: one row per field, from its store and its cell tables."""

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import pandas as pd

from puzzlecell.data.pixel_sizes import PixelSizes, of_metadata
from puzzlecell.data.raw_files import CHANNELS
from puzzlecell.data.store import ShardReader
from puzzlecell.data.tables import read_parquet

BOX = ["y0", "x0", "y1", "x1"]
READ = ["ID", *BOX, "nucleus_area_px"]


@dataclass(frozen=True)
class Summary:
    """A data set, or a part of it.

    stated: pixel sizes of the raw fields according to the configuration and the table of images. nuclei_px, nuclei_um:
    (n,) float64, diameters of all nuclei in pixels of the raw field and in micrometres; the diameter is that of a
    circle with the same area. fields: one row per stored field, index ID, with the columns

    - `segmented` (bool), and `reason`: why there is no cell, "" if there are cells;
    - `nucleus_px`: median diameter of its nuclei, NaN without nuclei;
    - `spanning` (bool): a cell touches all four borders;
    - `white`: largest raw intensity that became white in any channel, NaN if unknown;
    - `note`: how its unusual files were read, "" if they are not;
    - `pixel_um`: pixel size in micrometres, and `metadata_um`: that of the metadata of its images, NaN without;
    - `contradicted` (bool): the metadata differs from what is stated;
    - `red, green, blue, yellow`: contrasts of the stored channels in grey levels, 0 to 255; NaN if unknown.
    """

    dataset: str
    stated: PixelSizes
    fields: pd.DataFrame
    nuclei_px: np.ndarray
    nuclei_um: np.ndarray


def contrast(image: np.ndarray) -> np.ndarray:
    """Contrast of each channel: the brightest minus the darkest pixel. image: (H, W, C) uint8 -> (C,) uint8."""
    # Channel by channel, because numpy takes 15 times as long for the two axes of all channels at once.
    return np.array(
        [image[..., channel].max() - image[..., channel].min() for channel in range(image.shape[-1])],
        image.dtype,
    )


def summarise(
    dataset: str,
    pixel_sizes: PixelSizes,
    stored: pd.DataFrame,
    segmented: Sequence[tuple[pd.DataFrame, Mapping[str, str]]] = (),
) -> Summary:
    """Summarise a data set.

    stored: index ID, with `height, width` in pixels, the contrast of the channels, and perhaps `white`, `note` and the
    `pixel_size_um` of the metadata. segmented: cell tables, each at least with `ID`, the box and `nucleus_area_px`,
    and with the reasons (ID -> text) for its segmented fields without cells.
    """
    fields = stored[list(CHANNELS)].copy()
    fields["white"] = stored.get("white", np.nan)
    fields["note"] = stored.get("note", "")
    rows, areas, spanning = [np.empty(0, np.intp)], [np.empty(0)], [np.empty(0, np.intp)]
    reasons: dict[str, str] = {}
    for cells, no_cells in segmented:
        row = stored.index.get_indexer(cells["ID"])
        known = row >= 0
        row, box = row[known], cells.loc[known, BOX].to_numpy()
        ends = stored[["height", "width"]].to_numpy()[row]
        whole = (box[:, :2] == 0).all(axis=1) & (box[:, 2:] == ends).all(axis=1)
        rows.append(row)
        areas.append(cells.loc[known, "nucleus_area_px"].to_numpy(np.float64))
        spanning.append(row[whole])
        reasons |= no_cells
    row, area = np.concatenate(rows), np.concatenate(areas)
    diameters = 2 * np.sqrt(area / np.pi)
    medians = pd.Series(diameters[area > 0]).groupby(row[area > 0]).median()
    numbers = np.arange(len(fields))
    fields["reason"] = pd.Series(reasons, dtype=object).reindex(fields.index).fillna("")
    fields["segmented"] = np.isin(numbers, row) | (fields["reason"] != "")
    fields["nucleus_px"] = medians.reindex(numbers).to_numpy()
    fields["spanning"] = np.isin(numbers, np.concatenate(spanning))
    fields["pixel_um"], fields["metadata_um"] = pixel_sizes.of(stored), of_metadata(stored)
    fields["contradicted"] = pixel_sizes.contradicted(stored)
    has_nucleus = area > 0
    nuclei_um = diameters * fields["pixel_um"].to_numpy()[row]
    return Summary(dataset, pixel_sizes, fields, diameters[has_nucleus], nuclei_um[has_nucleus])


def read_summary(
    dataset: str,
    pixel_sizes: PixelSizes,
    stores: Sequence[str | os.PathLike],
    cell_tables: Sequence[str | os.PathLike] = (),
) -> Summary:
    """Summarise shards of the store and the cell tables (Parquet) of segmented ones."""
    stored = pd.concat([read_stored(path) for path in stores])
    tables = [read_cells(path) for path in cell_tables]
    return summarise(dataset, pixel_sizes, stored, tables)


def read_stored(path: str | os.PathLike) -> pd.DataFrame:
    """Read sizes, ranges of intensity, contrasts and notes of the fields of a shard, without its images; index ID."""
    reader = ShardReader([path])
    levels = reader.column("contrast")
    table = reader.table.assign(**{name: levels[:, place] for place, name in enumerate(CHANNELS)})
    # Stores of versions before this column have none.
    with suppress(KeyError):
        table = table.assign(white=reader.column("high").max(axis=1))
    return table.assign(note=[text.decode() for text in table["note"]] if "note" in table else "")


def read_cells(path: str | os.PathLike) -> tuple[pd.DataFrame, dict[str, str]]:
    """Read the boxes and nuclei of a cell table, and the reasons (ID -> text) for the fields without cells."""
    table = read_parquet(path, READ)
    no_cells = table.attrs.get("no_cells", {})
    table.attrs = {}  # pandas copies them with every selection
    return table, no_cells
