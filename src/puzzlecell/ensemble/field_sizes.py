"""The fields that a submission must contain, and their sizes."""

import os
from collections.abc import Sequence

import pandas as pd

from puzzlecell.data.fields import Images, check_field
from puzzlecell.data.image_sizes import size_mismatch, table_sizes
from puzzlecell.data.labels import LabelError, read_ids
from puzzlecell.data.store import ShardReader
from puzzlecell.errors import UserError


def submission_fields(
    labels: str | os.PathLike | None,
    images: Images,
    store: ShardReader,
    ids: Sequence[str] = (),
) -> pd.DataFrame:
    """Return `ID, ImageWidth, ImageHeight` of every field of a test set, in the order of its table.

    ids: the fields of a test set without a table. Sizes come from the store. A field that could not be stored must
    still be in the submission: its size is that of the table's columns `ImageWidth` and `ImageHeight` if it has them,
    or else that of its readable raw files in `images`, or else the most common size of the other fields. Raises
    LabelError for an unusable table and for sizes in it that differ from the store, UserError if no size is known.
    """
    given = {}
    if labels is not None:
        table = read_ids(labels)
        ids, given = table["ID"].tolist(), _given_sizes(labels, table, store)
    sizes = {field_id: given.get(field_id) or _size(field_id, images, store) for field_id in ids}
    known = pd.Series([size for size in sizes.values() if size is not None], dtype=object)
    if known.empty:
        raise UserError(
            f"{labels or 'test set without labels.csv'}: no size is known, because no field could be read; add the "
            "columns ImageWidth and ImageHeight to labels.csv"
        )
    commonest = known.value_counts().index[0]
    rows = [
        {"ID": field_id, "ImageWidth": width, "ImageHeight": height}
        for field_id, size in sizes.items()
        for height, width in [size or commonest]
    ]
    return pd.DataFrame(rows)


def _given_sizes(
    labels: str | os.PathLike, table: pd.DataFrame, store: ShardReader
) -> dict[str, tuple[int, int]]:
    """Sizes (height, width) in the table by ID, compared with the store."""
    given = table_sizes(labels, table) or {}
    different = [
        size_mismatch(labels, field_id, size, store.size(field_id))
        for field_id, size in given.items()
        if field_id in store
    ]
    if any(different):
        raise LabelError("\n".join(filter(None, different)))
    return given


def _size(field_id: str, images: Images, store: ShardReader) -> tuple[int, int] | None:
    if field_id in store:
        return store.size(field_id)
    header, _ = check_field(images, field_id)
    return None if header is None else (header.height, header.width)
