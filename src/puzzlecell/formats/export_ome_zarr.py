"""Write one field of a run as OME-Zarr."""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version

import pandas as pd

from puzzlecell.config.export import OmeZarrSettings
from puzzlecell.data.fields import FieldError, Images, read_field
from puzzlecell.data.pixel_sizes import PixelSizes
from puzzlecell.data.store import ShardReader
from puzzlecell.data.tables import read_parquet
from puzzlecell.errors import UserError
from puzzlecell.formats.answer import most_probable
from puzzlecell.formats.answer_columns import CALLS, answer_columns
from puzzlecell.formats.class_colours import class_colours
from puzzlecell.formats.ome_zarr import FieldImage, FieldLabels, label_facts, write_ome_zarr
from puzzlecell.runtime.bucket import BucketError

log = logging.getLogger(__name__)
AnyPath = str | os.PathLike


@dataclass(frozen=True)
class FieldFiles:
    """Files of the shard of a field, and the table of cells of its data set. raw: where its raw images are."""

    store: AnyPath
    masks: AnyPath
    answer: AnyPath
    raw: Images


def export_ome_zarr(
    path: AnyPath,
    field_id: str,
    files: FieldFiles,
    *,
    pixel_sizes: PixelSizes,
    max_megapixels: float | None,
    classes: Sequence[str],
    negative: str | None,
    settings: OmeZarrSettings,
) -> None:
    """Write a field with its label images; see `write_ome_zarr`.

    The image has the pixels of the raw field. If that can no longer be read, it is the stored one, which the attributes
    `puzzlecell` and the log say. Raises UserError if the field is not stored.
    """
    store, masks = ShardReader([files.store]), ShardReader([files.masks])
    if field_id not in store:
        raise UserError(
            f"export.ome_zarr.fields: there is no field {field_id} in {files.store}: it is not in the data set, or it "
            "could not be read"
        )
    size_um = float(pixel_sizes.of(store.table.loc[[field_id]])[0])
    cells = read_parquet(files.answer)
    columns = answer_columns(list(cells.columns), len(classes))
    cells = cells[cells["ID"] == field_id]
    names = _names(cells, columns.probabilities, classes)
    properties, colours = label_facts(
        cells,
        names,
        class_colours(classes, negative),
        [*([CALLS] if columns.calls else []), "area_px"],
    )
    write_ome_zarr(
        path,
        _image(field_id, files.raw, store, size_um, max_megapixels=max_megapixels),
        FieldLabels({name: masks.read(field_id, name) for name in ("cells", "nuclei")}, properties, colours),
        settings.version,
    )


def _names(cells: pd.DataFrame, probabilities: Sequence[str], classes: Sequence[str]) -> list[str | None]:
    top = most_probable(cells[list(probabilities)].to_numpy())
    return [None if index < 0 else classes[index] for index in top.tolist()]


def _image(
    field_id: str, raw: Images, store: ShardReader, size_um: float, *, max_megapixels: float | None
) -> FieldImage:
    """The raw field, or the stored one if that cannot be read."""
    height, width = store.size(field_id)
    about = {"ID": field_id, "puzzlecell": version("puzzlecell"), "raw_size": [height, width]}
    try:
        pixels = read_field(raw, field_id, max_megapixels=max_megapixels)
        problem = (
            None if pixels.shape[:2] == (height, width) else "it has another size than when it was stored"
        )
    except (FieldError, BucketError) as error:
        problem = str(error)
    if problem is None:
        return FieldImage(field_id, pixels, (size_um, size_um), {**about, "image": "raw"})
    log.warning("%s: the stored field is written in place of the raw one: %s", field_id, problem)
    pixels = store.read(field_id)
    scale = size_um * height / pixels.shape[0], size_um * width / pixels.shape[1]
    return FieldImage(field_id, pixels, scale, {**about, "image": "stored", "because": problem})
