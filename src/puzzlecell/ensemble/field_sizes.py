"""Which fields a submission must name, and how large they are."""

import os

import pandas as pd

from puzzlecell.data.fields import check_field
from puzzlecell.data.labels import read_ids
from puzzlecell.data.store import ShardReader


def submission_fields(
    labels: str | os.PathLike, images: str | os.PathLike, store: ShardReader
) -> pd.DataFrame:
    """`ID, ImageWidth, ImageHeight` of every field of a test set, in the order of its table.

    Sizes are those of the table's columns `ImageWidth` and `ImageHeight` if it has them, else the stored ones. A
    field that could not be stored takes the size of those of its raw files in `images` that are readable, else the
    commonest size of the others: it must be in the submission all the same. Raises ValueError where no size is known.
    """
    table = read_ids(labels)
    if {"ImageWidth", "ImageHeight"} <= set(table.columns):
        return table[["ID", "ImageWidth", "ImageHeight"]].astype({"ImageWidth": int, "ImageHeight": int})
    sizes = {field_id: _size(field_id, images, store) for field_id in table["ID"]}
    known = pd.Series([size for size in sizes.values() if size is not None], dtype=object)
    if known.empty:
        raise ValueError(f"{labels}: no field could be read, so no size is known")
    commonest = known.value_counts().index[0]
    rows = [
        {"ID": field_id, "ImageWidth": width, "ImageHeight": height}
        for field_id, size in sizes.items()
        for height, width in [size or commonest]
    ]
    return pd.DataFrame(rows)


def _size(field_id: str, images: str | os.PathLike, store: ShardReader) -> tuple[int, int] | None:
    if field_id in store:
        return store.size(field_id)
    header, _ = check_field(images, field_id)
    return None if header is None else (header.height, header.width)
